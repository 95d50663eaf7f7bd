"""OpenTelemetry: programs that `opentelemetry-instrument` starts are recorded like any other.

It puts a sitecustomize in front of all others on PYTHONPATH, which does not run the one it hides:
ours goes back in front, and runs that one. Its own metrics and traces stay as they are.
"""

from __future__ import annotations

import os

from monagent import guard, where
from monagent.instrument import Library, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "opentelemetry",
    versions=">=0.40",
    records=("runtime",),
    covers="nothing by itself: programs started by opentelemetry-instrument are recorded too",
    distribution="opentelemetry-instrumentation",
)

STARTER = "opentelemetry.instrumentation.auto_instrumentation"


@replace(STARTER, "execl")
def start(original: Any) -> Any:
    def execl(file: Any, *args: Any) -> Any:
        _come_first()
        return original(file, *args)

    return execl


# Since 0.66 for the program's children too. Before 0.50 it is the sitecustomize's own function.
@replace(STARTER, "initialize", optional=True)
def begin(original: Any) -> Any:
    def initialize(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        finally:
            _come_first()

    return initialize


def _come_first() -> None:
    try:
        bootstrap = where.bootstrap()
        before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        ours = [entry for entry in before if where.leads_to(entry, bootstrap)]
        if ours and before[0] != ours[0]:
            rest = [entry for entry in before if entry not in ours]
            os.environ["PYTHONPATH"] = os.pathsep.join([ours[0], *rest])
    except BaseException as error:
        guard.failed("opentelemetry", error)
