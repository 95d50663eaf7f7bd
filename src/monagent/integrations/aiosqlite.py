"""aiosqlite: hands statements to a thread of its own, where sqlite3 records them.

Nothing is recorded here. A library on top (SQLAlchemy) that records them is heard in that thread.
"""

from __future__ import annotations

from monagent.conventions import database
from monagent.instrument import Library, replace
from monagent.instrument.watch import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "aiosqlite",
    versions=">=0.17",
    records=("database",),
    covers="statements, by way of sqlite3",
)


@replace("aiosqlite.core", "Connection._execute")
def hand_over(original: Any) -> Any:
    async def _execute(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if database.covered():
                fn = database.covering(fn)
        except BaseException as error:
            failed("aiosqlite", error)
        return await original(self, fn, *args, **kwargs)

    return _execute
