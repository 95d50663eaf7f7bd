"""logging: every record that passed its logger's level and filters, counted before any handler.

No handler, level or filter is touched: programs that log through "no handler yet, so I add mine"
find none, as before.
"""

from __future__ import annotations

import os
import sys

from monagent import guard
from monagent.conventions import logs
from monagent.instrument import Library, replace
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "logging",
    versions="",
    records=("logs",),
    covers="records by level and logger, past every handler",
)


@replace("logging", "Logger.callHandlers")
def counting(original: Any) -> Any:
    module = sys.modules["logging"]
    names = vars(module)["_levelToName"]  # Levels that the program has named.

    def callHandlers(self: Any, record: Any) -> Any:
        try:
            # One that another process made was counted there: a listener hands it on.
            made = getattr(record, "process", None)
            if made is None or made == os.getpid():
                logs.message(record.levelno, names.get(record.levelno), record.name)
        except BaseException as error:
            guard.failed("logging", error)
            if guard.off("logging"):
                undo("logging")
        return original(self, record)

    # Handlers look for the line that has logged, as loguru's documentation has it and `handleError`
    # does: they pass over the frames of logging, which are those of its file.
    callHandlers.__code__ = callHandlers.__code__.replace(
        co_filename=getattr(module, "__file__", None) or module.__name__,
        co_firstlineno=getattr(original, "__code__", callHandlers.__code__).co_firstlineno,
    )
    return callHandlers
