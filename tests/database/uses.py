"""Random uses of pools, statements and timers, as a program: prints what each gave and what was
recorded, as JSON. What takes time counts, how long it took is left out.

usage: python -m tests.database.uses NUMBER
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import random
import sys
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

from monagent import metrics
from monagent.conventions import _pools, database
from monagent.metrics import Histogram, fused
from monagent.native import part
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

EDGES = (10.0, 20.0, 30.0)
SECONDS = Histogram("test.uses.seconds", help="Seconds.", labels=("way",), buckets=EDGES)
MANY = Histogram(
    "test.uses.many", help="Many edges.", labels=("way",), buckets=tuple(map(float, range(70)))
)
NONE = Histogram("test.uses.none", help="No edges.", labels=("way",), buckets=())


class Whole(int):
    """An integer of a class of its own."""


class Queue:
    """As pools of SQLAlchemy have one."""

    def __init__(self) -> None:
        self.maxsize: Any = 5
        self.queue: Any = deque()


class Unsized:
    """Has no length, and says so in its own way."""

    def __len__(self) -> int:
        raise ZeroDivisionError


class Library:
    """A pool as a library has it."""

    def __init__(self) -> None:
        self._pool = Queue()
        self._overflow: Any = -5


class Meddling(Library):
    """Another thread gives a connection back while it is read."""

    watched: Any = None
    coming: Any = None

    @property
    def _overflow(self) -> Any:
        coming, self.coming = self.coming, None
        if coming is not None:
            self._pool.queue = deque(range(coming))
            self.figure = coming - 2
            self.watched.returned(None)
        return self.figure

    @_overflow.setter
    def _overflow(self, value: Any) -> None:
        self.figure = value
        self.coming = None if self.watched is None else 3


def read(pool: Any, _: int) -> tuple[int, int]:
    """Open and idle connections."""
    queue = pool._pool
    return queue.maxsize + pool._overflow, len(queue.queue)


def read_within(pool: Any, _: int) -> tuple[int, int]:
    """The same of one whose connections lie in a queue within the queue."""
    queue = pool._pool
    return queue.maxsize + pool._overflow, len(queue.other.queue)


def limits(pool: Any) -> Any:
    """The connections that it keeps, and may open at most."""
    size: Any = pool._pool.maxsize
    return (size, size + 10) if size.__class__ in (int, float) else (0, 0)


def told(call: Callable[[], object]) -> str:
    """The kind of what it returns or raises."""
    try:
        found = call()
    except Exception as error:
        return type(error).__name__
    return type(found).__name__ if found is not None else "None"


def recorded() -> dict[str, Any]:
    """All series: histograms by how often, the others by value."""
    shard = metrics.recording().shard
    file = ShardFile(shard.snapshot())
    values = file.values()
    found = {}
    for series in file.series:
        cells = list(values[series.index : series.index + series.width])
        key = f"{series.instrument.name} {sorted(series.attributes.items())}"
        found[key] = cells[1:] if series.instrument.kind == "histogram" else cells[:1]
        if key.startswith("db.client") and series.instrument.kind == "histogram":
            found[key] = [sum(cells[1:])]
    return found


def begin_anew() -> None:
    """Records into another shard."""
    metrics.use(metrics.Recording(Shard(None)))


def change(chance: random.Random, pool: Library) -> None:
    """The library's figures become others, at times odd ones."""
    queue = pool._pool
    odd: tuple[Any, ...] = (2.5, True, Whole(7), 10**30, -(10**30), None, "5")
    if chance.random() < 0.03:
        queue.maxsize = chance.choice(odd)
    elif chance.random() < 0.03:
        pool._overflow = chance.choice(odd)
    elif chance.random() < 0.03:
        queue.queue = chance.choice((Unsized(), None, [1, 2], "abc"))
    else:
        queue.maxsize = chance.randrange(-1, 8)
        held = chance.choice((queue, getattr(queue, "other", queue)))
        held.queue = deque(range(chance.randrange(5)))
        pool._overflow = chance.randrange(-6, 9)


class Pools:
    """Some pools, and what random callers do with them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.pools: list[tuple[Any, Any]] = []
        self.asked: list[tuple[Any, Any]] = []
        for kind in (Library, Library, Meddling):
            self.make(kind)

    def make(self, kind: Any) -> None:
        """One more."""
        pool = kind()
        name = _pools.take_name(self.chance.choice(("a", "b")))
        names = "_pool", "maxsize", "_overflow"
        reading = _pools.reading(read, *names, "queue")
        if self.chance.random() < 0.3:  # As where a queue is within another.
            inner = _pools.reading(read_within, *names, "other", "queue")
            pool._pool.other = Queue()
            reading = inner
        watched = _pools.watched(pool, "postgresql", name, reading, limits)
        if kind is Meddling:
            pool.watched = watched
        self.pools.append((pool, watched))

    def step(self) -> str:
        """One thing that somebody does."""
        chance = self.chance
        pool, watched = chance.choice(self.pools)
        action = chance.random()
        if action < 0.3:
            change(chance, pool)
            when = perf_counter()
            at = chance.choice((when, when, when - 70, None, 3, "x"))
            return told(lambda: watched.returned(at))
        if action < 0.5:
            change(chance, pool)
            self.asked.append((watched, watched.asked()))
            return "asked"
        if action < 0.8 and self.asked:
            watched, asked = self.asked.pop(chance.randrange(len(self.asked)))
            key: Any = chance.choice((1, 2, 3, 2**70, True, "key", [], 4.0))
            asked = chance.choice((asked, asked, asked, asked - 70, "x", 5))
            return told(lambda: watched.given(asked, key)) + str(len(watched.given_at))
        if action < 0.84:
            return told(chance.choice((watched.changed, watched.left, watched.timed_out)))
        if action < 0.87:
            return told(lambda: watched.refused(ValueError()))
        if action < 0.9:
            key = chance.choice((1, 2, 3))
            return str(watched.given_at.pop(key, None) is None)
        if action < 0.92:
            return told(lambda: watched.asked(1)) + told(lambda: watched.given(1))
        if action < 0.94:
            self.make(chance.choice((Library, Meddling)))
            return "made"
        if action < 0.95 and len(self.pools) > 2:
            pool, watched = self.pools.pop()
            _pools._collected(id(pool))
            return "dropped"
        if action < 0.955:
            begin_anew()
            return "anew"
        if action < 0.96:
            for number in range(60):
                SECONDS.bind(f"growth {number} {chance.random()}")
            return "grown"
        return told(lambda: watched.read(pool, 0))


def statement(chance: random.Random) -> str:
    """One that goes on, and what is covered meanwhile."""
    labels: Any = ("postgresql", chance.choice(("x", None)), "SELECT", chance.choice("ab"))
    if chance.random() < 0.1:
        labels = chance.choice((("too", "few"), ("unhashable", [], None, None)))
    said = [str(bool(database.covered()))]
    mark = database.begun(labels)
    said.append(str(bool(mark)))
    if mark is None:
        return " ".join(said)
    said += [str(bool(database.covered())), str(mark.labels is labels)]
    inner = contextvars.copy_context()
    said.append(str(inner.run(lambda: database.begun(("a", "b", "c", "d"))) is None))
    if chance.random() < 0.2:
        mark.clear()
    said += [told(mark.ended), str(bool(mark)), str(bool(database.covered()))]
    said.append(str(bool(inner.run(database.covered))))
    return " ".join(said)


def statements_of_tasks(chance: random.Random) -> list[str]:
    """Some that go on at the same time, in tasks of one loop."""
    said: list[str] = []

    async def task(name: str) -> None:
        for _ in range(chance.choice((1, 2, 3))):
            if chance.random() < 0.5:
                cover = database.Cover()
                await asyncio.sleep(0)
                assert database.covered(), name
                assert database.begun(("postgresql", "x", "SELECT", "inner")) is None, name
                cover.clear()
            above = bool(database.covered())
            mark = database.begun(("postgresql", "x", "SELECT", name))
            assert mark is not None, (above, name)
            for _ in range(chance.choice((0, 1, 2))):
                await asyncio.sleep(0)
                inner = database.begun(("postgresql", "x", "SELECT", "inner"))
                said.append(f"{name} {bool(database.covered())} {inner}")
            if chance.random() < 0.2:
                mark.clear()
            mark.ended()
            said.append(f"{name} {above} {bool(mark)} {bool(database.covered())}")
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        context: Any = {}
        if chance.random() < 0.5 and sys.version_info >= (3, 11):
            context["context"] = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.create_task(task(name), **context) for name in "abcd"))

    asyncio.run(all_of_them())
    return said


def timed(chance: random.Random) -> str:
    """What ends something that began at a random time."""
    metric = chance.choice((SECONDS, MANY, NONE))
    end, kept = fused.timer(metric.bind(chance.choice("ab")))
    now = perf_counter()
    begun: Any = now - chance.choice((-5.5, 5.5, 9.5, 10.5, 25.5, 65.5, 69.5, 1000))
    begun = chance.choice((begun, begun, begun, int(now) + 50, "x", None))
    return told(lambda: end(begun)) + str(kept) + told(end)  # type: ignore[arg-type]


def child(chance: random.Random, pools: Pools) -> Any:
    """What a forked child does and records."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = [pools.step() for _ in range(3)] + [statement(chance), timed(chance)]
        os.write(into, json.dumps([said, recorded()]).encode())
        os._exit(0)
    os.close(into)
    with open(out, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def main(number: int) -> dict[str, Any]:
    """Everything that random callers got, and what was recorded between."""
    chance = random.Random(11)
    begin_anew()
    database.in_tasks()
    pools = Pools(chance)
    said: list[Any] = []
    for step in range(number):
        which = chance.random()
        if which < 0.75:
            said.append(pools.step())
        elif which < 0.88:
            said.append(statement(chance))
        elif which < 0.9:
            said.append(statements_of_tasks(chance))
        elif which < 0.995:
            said.append(timed(chance))
        else:
            said.append(child(chance, pools))
        if step % 50 == 0:
            said.append(recorded())
    return {"native": part is not None, "said": said, "recorded": recorded()}


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1])), sys.stdout)
