"""What is known of SQLAlchemy's engines, statements and pools, in versions 1.4 to 2.1."""

from __future__ import annotations

import sys
from weakref import WeakKeyDictionary, ref

from monagent import guard
from monagent.conventions import _pools, database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db", "db2": "ibm.db2"}
"""Names of the convention where they differ from the dialect's."""

_urls: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # of engines, by dialect
_names: WeakKeyDictionary[Any, _pools.Name] = WeakKeyDictionary()  # of pools, by dialect
_keepless: dict[str, _pools.Name] = {}  # of pools that keep no connections
_holders: dict[int, tuple[ref[Any], _pools.Pool]] = {}  # of static pools' connections, by id


def met(dialect: Any, url: Any) -> None:
    """An engine has been made of these."""
    _urls[dialect] = url
    if getattr(dialect, "is_async", False):
        database.in_tasks()
    error = getattr(getattr(dialect, "dbapi", None), "OperationalError", None)
    if not isinstance(error, type):  # a module of the application's own, or a double of one
        return
    if not error.__module__.startswith("sqlalchemy."):  # an adapter's
        database.expect_refusals(_system(dialect), f"{error.__module__}.{error.__qualname__}")


def overriding(dialect: Any) -> list[type]:
    """The classes of a dialect that may have their own version of what the default one does."""
    base = "sqlalchemy.engine."
    return [cls for cls in type(dialect).__mro__ if not cls.__module__.startswith(base)]


def labels(dialect: Any, statement: Any, context: Any) -> database.Labels:
    """System, namespace, operation and table of a statement; kept on what it was compiled to."""
    compiled = getattr(context, "compiled", None)
    # A default that the database makes is asked for before the statement is known.
    known = getattr(context, "statement", None)
    if compiled is None or (statement is not known and not _belongs(statement, known, context)):
        return (*_database(dialect), database.verb(statement), None)
    try:
        found: database.Labels = compiled._monagent_labels
    except AttributeError:  # sent for the first time
        found = (*_database(dialect), database.verb(known), _table(compiled))
        compiled._monagent_labels = found
    if statement is known or statement.startswith(known):
        return found
    operation = database.verb(statement)  # A listener may put another before it, once or always.
    return found if operation == found[2] else (*found[:2], operation, found[3])


def _belongs(statement: Any, known: Any, context: Any) -> bool:
    """Whether a text other than the context's is of the same statement.

    It is a batch of one INSERT (from 2.0 on), or a listener has put a comment beside the known one.
    """
    if not known:
        return False
    style = getattr(context, "execute_style", None)
    if getattr(style, "name", "") == "INSERTMANYVALUES":
        return True
    return isinstance(statement, str) and isinstance(known, str) and known in statement


def _database(dialect: Any) -> tuple[str, str | None]:
    url = _urls.get(dialect)
    name = url.database if url is not None else None
    if not isinstance(name, str):
        name = None
    if dialect.name == "sqlite":
        name = database.file_name(name)
    return _system(dialect), database.namespace(name)


def _system(dialect: Any) -> str:
    if getattr(dialect, "is_mariadb", False):
        return "mariadb"
    name: str = dialect.name
    return SYSTEMS.get(name, name)


def _table(compiled: Any) -> str | None:
    """The table, if it is one and known from compiling."""
    statement = compiled.statement
    table: Any = getattr(statement, "table", None)  # INSERT, UPDATE, DELETE
    if table is None:
        froms = getattr(getattr(compiled, "compile_state", None), "froms", None)  # SELECT
        if froms is None or len(froms) != 1:
            table = getattr(statement, "element", None)  # CREATE TABLE
        else:
            table = froms[0]
    kind = getattr(table, "__visit_name__", None)
    if kind == "alias":
        table = table.element
        kind = getattr(table, "__visit_name__", None)
    if kind != "table":
        return None
    name = getattr(table, "name", None)
    return database.collection(str(name)) if isinstance(name, str) else None


def watched(pool: Any) -> _pools.Pool:
    """What is recorded of a pool that an engine has, or that somebody uses without one."""
    found = _pools.of(pool)
    if found is not None:  # Engines may share one.
        return found
    dialect = pool._dialect
    url = _urls.get(dialect)
    name = _names.get(dialect)
    if name is None or not name.users:
        name = _take_name(pool, _name(pool, dialect, url))
        if url is not None:
            _names[dialect] = name
    system = _system(dialect) if url is not None else "other_sql"
    return _pools.watched(pool, system, name, *_reader(pool))


def _take_name(pool: Any, text: str) -> _pools.Name:
    """One for all pools of this name that keep nothing: programs make an engine with such a pool
    for each call, and it goes by chance how many of them are not collected yet."""
    impl: Any = sys.modules["sqlalchemy.pool.impl"]
    if not isinstance(pool, impl.NullPool):
        return _pools.take_name(text)
    name = _keepless.get(text)
    if name is None or not name.users:
        name = _pools.take_name(text)
        if text in _keepless or len(_keepless) < _pools.MOST_NAMES:
            _keepless[text] = name
    return name


def lent(watched: _pools.Pool, asked: float, fairy: Any) -> None:
    """A static pool has given its one connection to one more.

    Of those who have it SQLAlchemy knows the last: it tells of no other that comes back.
    """
    holder = id(fairy)
    watched.given(asked, holder)

    def collected(_: object) -> None:
        try:
            given_back(holder)
        except BaseException as error:
            guard.failed("sqlalchemy", error)

    _holders[holder] = ref(fairy, collected), watched


def given_back(holder: int) -> None:
    """Who had the connection of a static pool, if it is one of those, has it no more."""
    found = _holders.pop(holder, None)
    if found is not None:
        watched = found[1]
        watched.returned(watched.given_at.pop(holder, None))


def is_timeout(error: BaseException) -> bool:
    """Whether it says that the pool had no connection to give in time."""
    exceptions = sys.modules.get("sqlalchemy.exc")
    return exceptions is not None and isinstance(error, exceptions.TimeoutError)


def _name(pool: Any, dialect: Any, url: Any) -> str:
    given = pool._orig_logging_name
    if given:
        return str(given)
    if url is None:
        return type(pool).__name__
    if dialect.name == "sqlite":
        return f"sqlite:///{database.file_name(url.database)}"
    port = f":{url.port}" if url.port else ""
    return f"{dialect.name}://{url.host or ''}{port}/{url.database or ''}"


def _reader(pool: Any) -> tuple[_pools.Read, _pools.Limits]:
    impl: Any = sys.modules["sqlalchemy.pool.impl"]
    for kind, read, limits in (
        ("QueuePool", _queue_pool, _queue_limits),
        ("SingletonThreadPool", _singleton_thread_pool, lambda pool: (0, pool.size)),
        ("StaticPool", static_pool, lambda _: (0, 1)),
        ("AssertionPool", _assertion_pool, lambda _: (0, 1)),
    ):
        if isinstance(pool, getattr(impl, kind)):
            if read is _queue_pool:
                return _queue_reader(pool), limits
            return read, limits
    return _other_pool, lambda _: (0, 0)


def _queue_reader(pool: Any) -> _pools.Read:
    names = "_pool", "maxsize", "_overflow"
    if hasattr(pool._pool, "queue"):
        return _pools.reading(_queue_pool, *names, "queue")
    return _pools.reading(_asyncio_queue_pool, *names, "_queue", "_queue")


def _queue_limits(pool: Any) -> tuple[int, int]:
    size, most = pool._pool.maxsize, pool._max_overflow
    return size, size + most if most >= 0 else 0


def _queue_pool(pool: Any, _: int) -> tuple[int, int]:
    # As in checkedin() and overflow(), without their calls.
    queue = pool._pool
    return queue.maxsize + pool._overflow, len(queue.queue)


def _asyncio_queue_pool(pool: Any, _: int) -> tuple[int, int]:
    queue = pool._pool
    try:
        idle = len(queue._queue._queue)
    except AttributeError:
        idle = queue.qsize()
    return queue.maxsize + pool._overflow, idle


def _singleton_thread_pool(pool: Any, out: int) -> tuple[int, int]:
    opened = len(pool._all_conns)
    return opened, max(0, opened - out)


def static_pool(pool: Any, out: int) -> tuple[int, int]:
    """Open and idle connections of one."""
    record = vars(pool).get("connection")
    if record is None:
        return 0, 0
    try:
        held = record.dbapi_connection
    except AttributeError:  # Until 1.4.24.
        held = record.connection
    opened = int(held is not None)
    return opened, max(0, opened - out)


def _assertion_pool(pool: Any, _: int) -> tuple[int, int]:
    opened = int(bool(pool._conn))
    return opened, opened - int(pool._checked_out)


def _other_pool(_: Any, out: int) -> tuple[int, int]:
    return out, 0
