"""psycopg 3: every statement, stream and COPY of every kind of cursor, sync and asyncio.

A server-side cursor counts when it is declared, not at each fetch; in a pipeline a statement takes
the time of sending it. Streams and COPY last until their last row.
"""

from __future__ import annotations

from monagent.conventions import database
from monagent.conventions.database import covered
from monagent.instrument import Call, Library, Observed, replace, watch
from monagent.instrument.watch import Watcher
from monagent.integrations._database import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "psycopg",
    versions=">=3.1",
    records=("database",),
    covers="statements, streams, COPY and failed connections, sync and asyncio",
)

SYSTEM = "postgresql"

database.expect_refusals(SYSTEM, "psycopg.OperationalError")


@replace("psycopg.cursor", "Cursor.execute")
@replace("psycopg.cursor", "Cursor.executemany")
@replace("psycopg.cursor_async", "AsyncCursor.execute")
@replace("psycopg.cursor_async", "AsyncCursor.executemany")
@replace("psycopg._server_cursor", "ServerCursor.execute", optional=True)
@replace("psycopg._server_cursor_async", "AsyncServerCursor.execute", optional=True)
@replace("psycopg.server_cursor", "ServerCursor.execute", optional=True)  # until 3.1
@replace("psycopg.server_cursor", "AsyncServerCursor.execute", optional=True)
def statement(original: Any) -> Any:
    return measured("psycopg", original, labels)


@watch("psycopg.cursor", "Cursor.stream", unless=covered)
@watch("psycopg.cursor_async", "AsyncCursor.stream", unless=covered)
def stream(call: Call) -> Observed:
    with database.Operation(labels(call.instance, call.args, call.kwargs)):
        yield


@replace("psycopg.cursor", "Cursor.copy")
def copy(original: Any) -> Any:
    from contextlib import contextmanager

    return watched_copy(contextmanager, original.__wrapped__)


@replace("psycopg.cursor_async", "AsyncCursor.copy")
def copy_async(original: Any) -> Any:
    from contextlib import asynccontextmanager

    return watched_copy(asynccontextmanager, original.__wrapped__)


def copying(call: Call) -> Observed:
    with database.Operation((SYSTEM, name_of_database(call.instance), "COPY", None)):
        yield


def watched_copy(manager: Any, generate: Any) -> Any:
    """The context manager made of a generator function, watched."""
    made = manager(Watcher("psycopg", copying, True, covered).wrapper_of(generate))
    vars(made).pop("__signature__", None)  # The generator's own, which decorators do not show.
    return made


@watch("psycopg.connection", "Connection.connect", unless=covered)
@watch("psycopg.connection_async", "AsyncConnection.connect", unless=covered)
def connect(_: Call) -> Observed:
    with database.Connecting(SYSTEM):
        yield


def labels(cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> database.Labels:
    """What the cursor is about to do, and in which database."""
    query = args[0] if args else kwargs.get("query")
    begins = query[:6] if query.__class__ is str else None
    try:
        name = cursor._conn.pgconn.db
    except Exception:  # a closed connection
        name = None
    found = _labels.get((name, begins))
    if found is None:
        found = SYSTEM, name_of_database(cursor), database.verb(query), None
        if begins in database.USUAL and name in _names:
            _labels[name, begins] = found
    return found


def name_of_database(cursor: Any) -> str | None:
    """Name of the database that the cursor's connection is to."""
    try:
        name: bytes = cursor._conn.pgconn.db
    except Exception:  # a closed connection
        return None
    found = _names.get(name)
    if found is None:
        found = database.namespace(name.decode("utf-8", "replace"))
        if found is not None and found != database.OTHER:
            _names[name] = found
    return found


_names: dict[bytes, str] = {}
_labels: dict[tuple[bytes, str | None], database.Labels] = {}
"""Of statements that begin with a usual verb, by database and that: saves two calls."""
