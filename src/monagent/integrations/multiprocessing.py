"""multiprocessing: the end of processes that it forks: `os._exit` ends them behind our back."""

from __future__ import annotations

from monagent import guard
from monagent.conventions import runtime
from monagent.instrument import Library, replace
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "multiprocessing",
    versions="",
    records=("runtime",),
    covers="CPU time of children up to their end",
)


@replace("multiprocessing.util", "_exit_function")
def exiting(original: Any) -> Any:
    def _exit_function(*args: Any, **kwargs: Any) -> Any:
        try:
            runtime.used()
        except BaseException as error:
            guard.failed("multiprocessing", error)
            if guard.off("multiprocessing"):
                undo("multiprocessing")
        return original(*args, **kwargs)

    return _exit_function
