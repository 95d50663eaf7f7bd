"""Connection pools: what each adds to the series of its name, written at the pool's own events.

Several pools may go by one name (an engine's old and new one, all beyond the hundredth name), so
each adds and takes back its own part. A pool that is collected takes everything back.

What happens at each checkout is in C as well, where that was built: `Pool.asked`, `given`,
`returned` go the way that is written here whenever something is not plain.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from weakref import ref

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions import database
from monagent.conventions._sql import OTHER
from monagent.metrics import cache, recording
from monagent.metrics.fused import places
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Read = Callable[[Any, int], tuple[int, int]]
    """Open and idle connections of a pool that has given so many."""

    Limits = Callable[[Any], tuple[int, int]]
    """Connections that a pool keeps (0: all), and that it may open at most (0: no limit)."""

MOST_NAMES = 100
"""Names of pools in one process; pools beyond share one."""

TIMEOUT = "PoolTimeout"
"""What psycopg_pool raises where its pool had no connection to give in time."""


class Name:
    """A pool's name, taken as long as a pool goes by it."""

    __slots__ = ("text", "users")

    def __init__(self, text: str) -> None:
        self.text = text
        self.users = 0


class _CellsFields:
    __slots__ = (
        "idle", "mem", "overflow", "pending", "shard", "timeouts", "use", "use_edges", "used",
        "wait", "wait_edges", "wait_short",
    )  # fmt: skip


class _PoolFields:
    __slots__ = (
        "_cells", "_idle", "_keeps", "_most", "_of", "_overflow", "_pid", "_turn", "_used",
        "given_at", "limits", "name", "read", "system", "text",
    )  # fmt: skip


if TYPE_CHECKING:
    CellsFields = _CellsFields
    PoolFields = _PoolFields
else:
    CellsFields = getattr(part, "PoolCells", _CellsFields)
    PoolFields = getattr(part, "Pool", _PoolFields)
IN_C = hasattr(part, "Pool")


class Cells(CellsFields):
    """Where one name's series are: the shard's `mem` and indices into it."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        self.shard = recording().shard
        self.timeouts = database.TIMEOUTS.bind(name)
        self.mem, found, keep = places(
            database.CONNECTIONS.bind(name, "used"),
            database.CONNECTIONS.bind(name, "idle"),
            database.OVERFLOW.bind(name),
            database.PENDING.bind(name),
            database.WAIT.bind(name),
            database.USE.bind(name),
        )
        (self.used, _), (self.idle, _), (self.overflow, _), (self.pending, _), *histograms = found
        (self.wait, self.wait_edges), (self.use, self.use_edges) = histograms
        self.wait_short = self.wait_edges[0] if self.wait_edges else 0.0
        if keep:
            _cells[name] = self


class Pool(PoolFields):
    """What is recorded of one pool; made by `watched`."""

    __slots__ = ()

    def __init__(self, pool: Any, system: str, name: Name, read: Read, limits: Limits) -> None:
        self.system = system
        self.name = name
        self.text = name.text
        self.read = read
        self.limits = limits
        self.given_at: dict[int, float | None] = {}
        key = id(pool)
        self._of = ref(pool, lambda _: _collected(key))
        self._cells: Cells | None = None
        self._used = self._idle = self._overflow = self._most = 0
        self._keeps = sys.maxsize
        self._pid = -1
        self._turn = 0
        name.users += 1

    # Each adds to its cells by itself: calls would cost twice as much. No call stands between
    # mem[0] and the last write, see recorders.py.

    def _asked(self) -> float:
        """Somebody asks for a connection; returns the time, for the three that follow."""
        cells = self._cells
        if cells is None or cells is not _cells.get(self.text) or cells.shard.pid != self._pid:
            cells = self._now()
        cells.mem[0][cells.pending] += 1.0
        return perf_counter()

    def _given(self, asked: float, connection: int) -> None:
        """They got it; `connection` is an identity to know it by when it returns."""
        now = perf_counter()
        cells = self._cells
        assert cells is not None
        seconds = now - asked
        bucket = cells.wait + 1
        if seconds > cells.wait_short:
            bucket += bisect_left(cells.wait_edges, seconds)
        view = cells.mem[0]
        view[cells.pending] -= 1.0
        view[cells.wait] += seconds
        view[bucket] += 1.0
        self.given_at[connection] = now
        self._write(cells)

    def timed_out(self) -> None:
        """They got none in time."""
        cells = self._now()
        cells.mem[0][cells.pending] -= 1.0
        cells.timeouts(1.0)
        self._write(cells)

    def refused(self, error: BaseException, counted: bool = False) -> None:
        """They got an error; `counted` where the driver has told of it already."""
        cells = self._now()
        cells.mem[0][cells.pending] -= 1.0
        # A pool above tells of what one below says, but of a timeout, which counts there.
        if not counted and type(error).__name__ != TIMEOUT and not database.covered():
            database.refused(self.system, error)
        self._write(cells)

    def _returned(self, given: float | None) -> None:
        """A connection came back, or left the pool for good: that of `given_at`, taken out there
        before others could have it."""
        cells = self._cells
        if cells is None or cells is not _cells.get(self.text) or cells.shard.pid != self._pid:
            pid, cells = self._pid, self._now()
            if pid != self._pid:  # Given before the fork: the parent has its time.
                given = None
        if given is not None:
            seconds = perf_counter() - given
            bucket = cells.use + 1 + bisect_left(cells.use_edges, seconds)
            view = cells.mem[0]
            view[cells.use] += seconds
            view[bucket] += 1.0
        self._write(cells)

    if TYPE_CHECKING or not IN_C:
        asked, given, returned = _asked, _given, _returned

    def changed(self) -> None:
        """The pool has opened or closed connections by itself, or may have more or less of them."""
        cells = self._now()
        pool = self._of()
        if pool is not None:
            self._limit(pool)
        self._write(cells)

    def left(self) -> None:
        """Another pool is used in its place: it opens no more, what is out may yet return to it."""
        self.limits = lambda _: (0, 0)
        cells = self._cells
        if cells is not None and cells.shard.pid == self._pid:  # not inherited by a fork
            self.changed()

    def dropped(self) -> None:
        """The pool is no more."""
        cells = self._cells
        if cells is not None and cells.shard.pid == self._pid:  # not inherited by a fork
            self._allow(0)
            self._write(self._now())
        self.name.users -= 1
        if not self.name.users:
            _names.pop(self.name.text, None)

    def _now(self) -> Cells:
        """The cells. After a fork they are at 0, and so is what was written; what is out then is
        out of the child's pool too, from a time that is not the child's."""
        cells = _cells.get(self.text) or Cells(self.text)
        pid = cells.shard.pid
        before, self._cells = self._cells, cells
        if before is None or before.shard is not cells.shard or pid != self._pid:
            if pid != self._pid:
                self.given_at.update(dict.fromkeys(self.given_at))
            self._pid = pid
            self._used = self._idle = self._overflow = self._most = 0
            pool = self._of()
            if pool is not None:
                self._limit(pool)
        return cells

    def _limit(self, pool: Any) -> None:
        keeps, most = self.limits(pool)
        self._keeps = keeps or sys.maxsize
        self._allow(most)

    def _allow(self, most: int) -> None:
        more, self._most = most - self._most, most
        if more:
            database.MOST.bind(self.text)(more)

    def _write(self, cells: Cells) -> None:
        """Writes what the pool says of itself.

        Threads take turns at calls only, so each difference is added once. Who was held up behind
        a reading may write old news last; it sees that another came meanwhile, and reads again.
        """
        turn = self._turn = self._turn + 1
        mem = cells.mem
        while True:
            pool = self._of()
            opened, idle = (0, 0) if pool is None else self.read(pool, len(self.given_at))
            used = opened - idle
            if used < 0:  # An engine that was disposed of while connections were out.
                used = 0
            if used != self._used:
                more, self._used = used - self._used, used
                mem[0][cells.used] += more
            if idle != self._idle:
                more, self._idle = idle - self._idle, idle
                mem[0][cells.idle] += more
            overflow = opened - self._keeps
            if overflow < 0:
                overflow = 0
            if overflow != self._overflow:
                more, self._overflow = overflow - self._overflow, overflow
                mem[0][cells.overflow] += more
            if turn == self._turn:
                return
            turn = self._turn


def reading(read: Read, *names: str) -> Read:
    """`read`, in C where that was built, for a pool that holds a queue of its idle connections.

    The names are those of attributes: the pool's for the queue, the queue's for how many it takes,
    the pool's for how many more are open than that, and the way from the queue to what it holds.
    Where they do not lead to integers and a length, `read` is asked.
    """
    if not IN_C:
        return read
    made: Read = part.Reader(read, *map(sys.intern, names))
    return made


def watched(pool: Any, system: str, name: Name, read: Read, limits: Limits) -> Pool:
    """Begin to record a pool; what is known of it already is written at once."""
    made = Pool(pool, system, name, read, limits)
    kept = POOLS.setdefault(id(pool), made)
    if kept is not made:  # Another thread was first.
        made.dropped()
        return kept
    made.changed()
    return made


def of(pool: Any) -> Pool | None:
    """What is recorded of a pool, None when nobody has begun."""
    return POOLS.get(id(pool))


def take_name(base: str) -> Name:
    """`base` for the first pool, `base#2` for another while the first lives, and so on."""
    for ordinal in range(1, MOST_NAMES + 1):
        text = base if ordinal == 1 else f"{base}#{ordinal}"
        if text in _names:
            continue
        if text not in _texts and len(_texts) >= MOST_NAMES:
            break
        _texts.add(text)
        name = Name(text)
        if _names.setdefault(text, name) is name:
            return name
    return _shared


def _collected(key: int) -> None:
    if sys.is_finalizing():  # The process ends, and its figures with it.
        return
    try:
        pool = POOLS.pop(key, None)
        if pool is not None:
            pool.dropped()
    except BaseException as error:
        guard.failed("database", error)


POOLS: dict[int, Pool] = {}
"""By the id of the library's object."""

_names: dict[str, Name] = {}
_texts: set[str] = set()
_shared = Name(OTHER)
_cells: dict[str, Cells] = cache()
if IN_C:
    part.cells_are_in(_cells)
