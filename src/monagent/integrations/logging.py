"""logging: every record that passed its logger's level and filters, counted before any handler.

A class of loggers with a `filter` of its own counts what Logger's lets through, which it may call.

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
    covers="records by level and logger, whatever handlers do with them",
)


_LOOP = frozenset(("filters", "hasattr", "filter"))
"""Names in the code of `Filterer.filter`, which asks one filter after the other;"""
_REPLACING = _LOOP | {"isinstance", "LogRecord"}
"""since 3.12 a filter may give another record."""


@replace("logging", "Logger.filter")
def counting(original: Any) -> Any:
    """The last that a logger does before it calls handlers, and nothing of ours is beneath them:
    some look for who has logged at a fixed depth of the stack.  So do filters: theirs is kept by
    doing what the original does, instead of calling it."""
    module = sys.modules["logging"]
    names = vars(module)["_levelToName"]  # Levels that the program has named.
    code = getattr(original, "__code__", None)
    known = frozenset(getattr(code, "co_names", ()))
    replacing = known == _REPLACING

    def count(record: Any) -> None:
        try:
            # One that another process made was counted there: a listener hands it on.
            made = getattr(record, "process", None)
            if made is None or made == os.getpid():
                logs.message(record.levelno, names.get(record.levelno), record.name)
        except BaseException as error:
            guard.failed("logging", error)
            if guard.off("logging"):
                undo("logging")

    def filtering(self: Any, record: Any) -> Any:
        found = original(self, record)
        if found:
            count(found if isinstance(found, module.LogRecord) else record)
        return found

    # Line by line as in Python, for the tracebacks of filters that raise.
    def filter(self: Any, record: Any) -> Any:  # noqa: A001 - the name that its frame has
        for f in self.filters:
            if hasattr(f, "filter"):
                result = f.filter(record)
            else:
                result = f(record)
            if not result:
                return False
            if replacing and isinstance(result, module.LogRecord):
                record = result
        count(record)
        return record if replacing else True

    if code is None or known not in (_LOOP, _REPLACING):  # Somebody else's, or a later Python's.
        return filtering
    last = max(line for _, _, line in code.co_lines() if line)
    filter.__code__ = filter.__code__.replace(
        co_filename=getattr(module, "__file__", None) or module.__name__,
        co_firstlineno=last - (10 if replacing else 9),
    )
    return filter
