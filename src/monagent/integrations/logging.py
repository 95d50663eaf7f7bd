"""logging: every record that passed its logger's level and filters, counted before any handler.

No handler, level or filter is touched: programs that log through "no handler yet, so I add mine"
find none, as before.
"""

from __future__ import annotations

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
    names = vars(sys.modules["logging"])["_levelToName"]  # Levels that the program has named.

    def callHandlers(self: Any, record: Any) -> Any:
        try:
            logs.message(record.levelno, names.get(record.levelno), record.name)
        except BaseException as error:
            guard.failed("logging", error)
            if guard.off("logging"):
                undo("logging")
        return original(self, record)

    return callHandlers
