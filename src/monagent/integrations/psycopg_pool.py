"""psycopg_pool: all pools, sync, asyncio and null, as their own figures have it.

Used connections are those that callers hold, idle ones those that the pool has ready; what it is
about to open is neither. What a pool sends to check a connection is part of getting one.
"""

from __future__ import annotations

from monagent.conventions import _pools, database
from monagent.instrument import Call, Library, Observed, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "psycopg_pool",
    versions=">=3.1",
    records=("database",),
    covers="connection pools, sync, asyncio and null",
    distribution="psycopg-pool",
)

SYSTEM = "postgresql"


@watch("psycopg_pool.pool", "ConnectionPool.__init__")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.__init__")
def made(call: Call) -> Observed:
    yield
    pool = call.instance
    if _pools.of(pool) is None:  # Null pools call their base's.
        _pools.watched(pool, SYSTEM, _pools.take_name(name_of(pool)), Reading(), limits)
    if hasattr(pool, "__aenter__"):
        database.in_tasks()


@watch("psycopg_pool.pool", "ConnectionPool.getconn")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.getconn")
def taken(call: Call) -> Observed:
    pool = _pools.of(call.instance)
    if pool is None:
        return
    asked = pool.asked()
    try:
        connection = yield
    except BaseException as error:
        if type(error).__name__ == _pools.TIMEOUT:
            pool.timed_out()
        else:
            pool.refused(error, counted=in_connect(error))
        raise
    key = id(connection)
    if key in pool.given_at:
        pool.read.lost += 1  # type: ignore[attr-defined]  # a Reading
    pool.given(asked, key)


@watch("psycopg_pool.pool", "ConnectionPool.putconn")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.putconn")
def returned(call: Call) -> Observed:
    pool = _pools.of(call.instance)
    if pool is None:
        return
    # Before the call: at its end another caller may have the same connection.
    connection = call.argument(0, "conn")
    if getattr(connection, "_pool", None) is call.instance:
        pool.returned(pool.given_at.pop(id(connection), None))
    try:
        yield
    finally:
        pool.changed()


@watch("psycopg_pool.pool", "ConnectionPool._add_to_pool")
@watch("psycopg_pool.pool", "ConnectionPool._shrink_pool")
@watch("psycopg_pool.pool", "ConnectionPool.close")
@watch("psycopg_pool.pool", "ConnectionPool.drain", optional=True)
@watch("psycopg_pool.pool", "ConnectionPool.resize")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool._add_to_pool")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool._shrink_pool")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.close")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.drain", optional=True)
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.resize")
@watch("psycopg_pool.null_pool", "NullConnectionPool.resize")
@watch("psycopg_pool.null_pool_async", "AsyncNullConnectionPool.resize")
def changed(call: Call) -> Observed:
    try:
        yield
    finally:
        pool = _pools.of(call.instance)
        if pool is not None:
            pool.changed()


@watch("psycopg_pool.pool", "ConnectionPool.check")
@watch("psycopg_pool.pool", "ConnectionPool._check_connection", optional=True)  # from 3.2 on
@watch("psycopg_pool.pool_async", "AsyncConnectionPool.check")
@watch("psycopg_pool.pool_async", "AsyncConnectionPool._check_connection", optional=True)
def checked(call: Call) -> Observed:
    """What is sent to see whether a connection still works is no operation of the program."""
    cover = database.Cover()
    try:
        yield
    finally:
        cover.clear()
        pool = _pools.of(call.instance)
        if pool is not None:
            pool.changed()


def in_connect(error: BaseException) -> bool:
    """Whether psycopg's own `connect` raised it, in a null pool, and has counted it."""
    at = error.__traceback__
    while at is not None:
        frame = at.tb_frame
        module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_name == "connect" and module.startswith("psycopg."):
            return True
        at = at.tb_next
    return False


class Reading:
    """Reads a pool. A connection that its caller forgot stays in use, as the pool itself has it;
    once another stands where it stood, it is `lost`: a number, however many they become."""

    __slots__ = ("lost",)

    def __init__(self) -> None:
        self.lost = 0

    def __call__(self, pool: Any, out: int) -> tuple[int, int]:
        """Open and idle connections."""
        idle = len(pool._pool)
        return out + self.lost + idle, idle


def limits(pool: Any) -> tuple[int, int]:
    """Most connections; it has none that it would not keep."""
    return 0, 0 if pool.closed and pool._opened else pool.max_size or 0


def name_of(pool: Any) -> str:
    """The name it was given, else where it connects to: `pool-3` would be another at each start."""
    name: str = pool.name
    if name.rpartition("-")[0] != "pool" or not name.rpartition("-")[2].isdigit():
        return name
    from psycopg.conninfo import conninfo_to_dict  # The pool has imported it.

    try:
        kwargs = pool.kwargs if isinstance(pool.kwargs, dict) else {}
        found = conninfo_to_dict(pool.conninfo, **kwargs)
    except Exception:  # a function, or an error that the pool itself will tell of
        return "postgresql://"
    port = f":{found['port']}" if found.get("port") else ""
    return f"postgresql://{found.get('host') or ''}{port}/{found.get('dbname') or ''}"
