"""threading: exceptions that end a thread.

What a thread does with its exception is decided when it is made; `threading.excepthook` stays the
application's, and so does what it prints.
"""

from __future__ import annotations

import sys

from monagent import guard
from monagent.conventions import errors
from monagent.instrument import Library, replace
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "threading",
    versions="",
    records=("errors",),
    covers="exceptions that end a thread",
)


@replace("threading", "_make_invoke_excepthook")
def watching(original: Any) -> Any:
    def _make_invoke_excepthook() -> Any:
        invoke = original()

        def invoke_excepthook(thread: Any) -> None:
            try:
                kind = sys.exc_info()[0]
                if kind is not SystemExit:  # threading passes over it in silence.
                    errors.uncaught(kind, errors.ERROR)
            except BaseException as error:
                guard.failed("threading", error)
                if guard.off("threading"):
                    undo("threading")
            invoke(thread)

        return invoke_excepthook

    return _make_invoke_excepthook
