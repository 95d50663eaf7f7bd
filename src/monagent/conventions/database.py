"""Databases: every operation once, whoever of several layers sees it, and connection pools.

What sits on top of other libraries (an ORM on a driver) calls `begun` for the time of a statement,
or has a `Cover`; the drivers below ask `covered()` and leave it to them. Pools are in `_pools`.
https://opentelemetry.io/docs/specs/semconv/db/database-metrics/
"""

from __future__ import annotations

import os

from monagent.clock import perf_counter
from monagent.conventions._covers import Cover, Mark, covered, covering, covers, in_tasks
from monagent.conventions._names import Names, without_ids
from monagent.conventions._sql import OTHER, USUAL, verb
from monagent.metrics import Counter, Histogram, UpDownCounter, cache
from monagent.metrics.fused import timer
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Labels = tuple[str, str | None, str | None, str | None]
    """System, namespace, operation, collection."""

__all__ = [
    "OTHER",
    "USUAL",
    "Connecting",
    "Cover",
    "Operation",
    "begun",
    "broke",
    "collection",
    "covered",
    "covering",
    "error_type",
    "expect_refusals",
    "file_name",
    "in_tasks",
    "namespace",
    "refused",
    "timer_of",
    "verb",
]

EDGES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0)
"""Seconds."""

DURATION = Histogram(
    "db.client.operation.duration",
    unit="s",
    help="Time until the database has answered an operation.",
    labels=(
        "db.system.name",
        "db.namespace",
        "db.operation.name",
        "db.collection.name",
        "db.response.status_code",
        "error.type",
    ),
    buckets=EDGES,
)

_POOL = "db.client.connection.pool.name"

CONNECTIONS = UpDownCounter(
    "db.client.connection.count",
    unit="{connection}",
    help="Connections of a pool that are in use and idle now.",
    labels=(_POOL, "db.client.connection.state"),
)
MOST = UpDownCounter(
    "db.client.connection.max",
    unit="{connection}",
    help="Connections that a pool may open at most.",
    labels=(_POOL,),
)
OVERFLOW = UpDownCounter(
    "db.client.connection.overflow",
    unit="{connection}",
    help="Connections that a pool has open beyond the number it keeps.",
    labels=(_POOL,),
)
PENDING = UpDownCounter(
    "db.client.connection.pending_requests",
    unit="{request}",
    help="Callers that are waiting for a connection of a pool now.",
    labels=(_POOL,),
)
TIMEOUTS = Counter(
    "db.client.connection.timeouts",
    unit="{timeout}",
    help="Callers that waited for a connection of a pool in vain.",
    labels=(_POOL,),
)
WAIT = Histogram(
    "db.client.connection.wait_time",
    unit="s",
    help="Time until a pool has given an open connection.",
    labels=(_POOL,),
    buckets=EDGES,
)
USE = Histogram(
    "db.client.connection.use_time",
    unit="s",
    help="Time between taking a connection from a pool and giving it back.",
    labels=(_POOL,),
    buckets=(*EDGES, 10.0, 30.0, 60.0),
)
ERRORS = Counter(
    "db.client.connection.errors",
    unit="{error}",
    help="Connections that could not be opened or given.",
    labels=("db.system.name", "error.type"),
)

TIMERS: dict[Labels, Callable[[float], None]] = cache()
"""What ends an operation that began at this time, and well; `timer_of` makes a new one."""

_MOST_TIMERS = 10_000
_namespaces = Names(100)
_collections = Names(500)


class _Statement(Mark):
    """A statement of a library that stands on others, and covers those until its end."""

    __slots__ = ("labels", "start")
    labels: Labels
    start: float

    def ended(self) -> None:
        """It went well."""
        self.clear()
        (TIMERS.get(self.labels) or timer_of(self.labels))(self.start)


def _begun(labels: Labels) -> _Statement | None:
    """A statement that begins now; None where a library above records it."""
    if covered():
        return None
    made = _Statement()
    made.labels = labels
    made.put_on()
    made.start = perf_counter()
    return made


class Operation:
    """One operation, as a context. What runs hot does the same by itself: see `_database`."""

    __slots__ = ("labels", "start")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.start = perf_counter()

    def __enter__(self) -> Operation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        if error is None or kind is GeneratorExit:  # A stream left early is no error.
            timer_of(self.labels)(self.start)
        else:
            broke(self.labels, self.start, error)


class Connecting:
    """A context in which a connection is opened: counts it if it fails."""

    __slots__ = ("system",)

    def __init__(self, system: str) -> None:
        self.system = system

    def __enter__(self) -> None: ...

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is not None:
            refused(self.system, error)


def timer_of(labels: Labels) -> Callable[[float], None]:
    """What ends an operation that went well."""
    found = TIMERS.get(labels)
    if found is None:
        found, keep = timer(DURATION.bind(*labels, None, None))
        if keep and len(TIMERS) < _MOST_TIMERS:
            TIMERS[labels] = found
    return found


begun: Callable[[Labels], _Statement | None] = getattr(part, "begun", _begun)
if begun is not _begun:
    part.use_covers(covers.get, covers.set, TIMERS, timer_of)
    os.register_at_fork(after_in_child=part.forget_tasks)


def broke(labels: Labels, begun: float, error: BaseException) -> None:
    """The operation that began then has failed."""
    timer(DURATION.bind(*labels, _status(error), error_type(error)))[0](begun)


def refused(system: str, error: BaseException) -> None:
    """A connection could not be had."""
    if isinstance(error, Exception):  # Cancelled and interrupted ones say nothing of the database.
        ERRORS.bind(system, error_type(error))(1)


def expect_refusals(system: str, error: str) -> None:
    """Begin that count at 0, so that the first refused connection shows as an increase."""
    ERRORS.bind(system, error)(0)


def error_type(error: BaseException) -> str:
    """`ValueError`, `psycopg.errors.UniqueViolation`: the driver's own if an adapter wraps it."""
    found = type(error)
    module: str = found.__module__
    cause = error.__cause__
    if cause is not None and module.startswith("sqlalchemy."):
        return error_type(cause)
    return found.__qualname__ if module == "builtins" else f"{module}.{found.__qualname__}"


def namespace(name: str | None) -> str | None:
    """The name of a database as a label: the first hundred of them, then one for the rest."""
    return _namespaces.of(name) if name else None


def collection(name: str) -> str:
    """The name of a table as a label, without ids: the first 500 of them, then one for the rest."""
    # Alembic copies a table of SQLite's to change it.
    return _collections.of(without_ids(name.removeprefix("_alembic_tmp_")))


def file_name(path: object) -> str:
    """The name of a database that is a file: `app.db`, `:memory:`; `{id}.db` for one of many."""
    if isinstance(path, os.PathLike):  # which may say anything else as text
        path = os.fspath(path)
    if isinstance(path, bytes):
        path = path.decode("utf-8", "replace")
    text = str(path or ":memory:")
    if text.startswith("file:"):
        text, _, options = text[5:].partition("?")
        if "mode=memory" in options:
            return ":memory:"
    name = text.rpartition("/")[2] or ":memory:"
    if name.startswith("tmp"):
        import re  # 10 ms, if nobody has done so: for these names alone.

        name = re.sub(r"^tmp[a-z0-9_]{8}(?![a-z0-9_])", "tmp{id}", name)  # tempfile's
    # Short programs with a file each would have a label each, however few a process may have.
    return without_ids(name)


def _status(error: BaseException) -> str | None:
    """SQLSTATE, or SQLite's name for it (from Python 3.11 on)."""
    for attribute in ("sqlstate", "pgcode", "sqlite_errorname"):
        code = getattr(error, attribute, None)
        if isinstance(code, str):
            return code[:40]
    return None
