"""The part in C does with databases what the part in Python does, and leaves nothing behind."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy

from monagent.conventions import _pools, database
from monagent.native import part
from tests.database.engines import Make, recorded, reported
from tests.database.numbers import Numbers
from tests.parts import compiled, left, needed, on_every_minor, told

LABELS = ("postgresql", "shop", "SELECT", "orders")


@compiled
@on_every_minor
def test_both_parts_do_the_same(minor: str) -> None:
    """Pools of all manners, statements in contexts, timers, growth and forks between: the same
    results, exceptions and series."""
    told("tests.database.uses", 3000, minor)


def kept(times: int, engine: Any) -> tuple[int, ...]:
    """Uses everything that often; how many objects of ours there are, and who holds the shared
    ones."""

    def used() -> None:
        for _ in range(times):
            mark = database.begun(LABELS)
            assert mark is not None
            mark.ended()
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT 1"))

    contextvars.copy_context().run(used)
    gc.collect()
    watched = _pools.of(engine.pool)
    assert watched is not None
    ours = (part.Timer, part.Reader, _pools.Pool, _pools.Cells)
    shared = (
        watched, watched._cells, watched.read, watched.given_at, LABELS, database.TIMERS[LABELS],
        part.Statement, _pools._cells, engine.pool,
    )  # fmt: skip
    objects = gc.get_objects()
    return (
        *(sum(type(one) is kind for one in objects) for kind in ours),
        *(sys.getrefcount(one) for one in shared),
    )


@needed
def test_uses_leave_nothing_behind(numbers: Numbers, make: Make) -> None:
    """No object of ours lives on, and what all share is held as often as before."""
    engine = make(pool_size=1)
    before = kept(20, engine)

    assert left(before, kept(500, engine), 500) == []
    assert numbers.operations() == {"SELECT orders": 520, "SELECT": 520}
    assert recorded(numbers) == reported(engine)


@needed
def test_a_pool_that_is_gone_takes_what_is_in_c_with_it(numbers: Numbers, make: Make) -> None:
    """Also where it is part of a cycle."""

    def alive() -> int:
        gc.collect()
        return sum(type(one) is _pools.Pool for one in gc.get_objects())

    before = alive()
    for _ in range(3):
        engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.QueuePool)
        with engine.connect():
            pass
        watched: Any = _pools.of(engine.pool)
        watched.limits = lambda _, cycle=watched: (0, 0)
        engine.dispose()
        del engine, watched

    assert alive() <= before
    del make


@needed
def test_threads_lose_nothing(numbers: Numbers, make: Make) -> None:
    """What the pool says at the end is what was recorded, and every caller was counted."""
    engine = make(pool_size=3, max_overflow=2, pool_timeout=60)
    assert type(_pools.POOLS[id(engine.pool)].read) is part.Reader

    def work() -> None:
        for _ in range(200):
            with engine.connect():
                pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    figures = numbers.pool()

    assert recorded(numbers) == reported(engine)
    assert (figures["wait_time"], figures["use_time"]) == (1600, 1600)
    assert figures["pending_requests"] == 0


@needed
@pytest.mark.parametrize(
    "made",
    [
        lambda: part.Timer(print),
        lambda: part.Timer(print, [0.0], print, [0], 1, (1.0,), name=1),
        lambda: part.Timer(print, [0.0], print, [0], 1, tuple(map(float, range(65)))),
        lambda: part.Timer(print, [0.0], print, [0], "1", (1.0,)),
        lambda: part.Reader(print, "a", "b", "c"),
        lambda: part.Reader(print, "a", "b", "c", b"d"),
        lambda: part.Reader(print, "a", "b", "c", "d", name=1),
        lambda: part.use_covers(print, print, [], print),
        lambda: part.cells_are_in([]),
        lambda: part.begun(None),
    ],
)  # fmt: skip
def test_what_it_is_not_made_of_is_refused(made: Callable[[], object]) -> None:
    """With an exception of Python's, and nothing is changed."""
    with pytest.raises((TypeError, ValueError)):
        made()


@needed
def test_parts_that_were_not_filled_hand_everything_on(numbers: Numbers) -> None:
    """As objects whose `__init__` failed: an AttributeError of Python's, no crash."""
    pool: Any = _pools.Pool.__new__(_pools.Pool)
    cells: Any = _pools.Cells.__new__(_pools.Cells)
    with pytest.raises(AttributeError):
        part.Statement().ended()
    calls: list[Callable[[], object]] = [
        pool.asked, lambda: pool.given(1.0, 1), lambda: pool.returned(None)
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(AttributeError):
            call()
    for name, value in {"_cells": cells, "text": "t", "_pid": 1, "given_at": {}}.items():
        setattr(pool, name, value)
    _pools._cells["t"] = cells
    for call in calls:
        with pytest.raises(AttributeError):
            call()
    del _pools._cells["t"]


@needed
def test_what_interrupts_a_reading_is_raised(numbers: Numbers) -> None:
    """It is the program's: a handler of a signal may raise wherever Python runs."""

    class Interrupted:
        interrupts = False

        @property
        def _pool(self) -> Any:
            if self.interrupts:
                raise KeyboardInterrupt
            return sqlalchemy.util.queue.Queue(5)

        _overflow = -5

    pool = Interrupted()
    reading = _pools.reading(lambda *_: (0, 0), "_pool", "maxsize", "_overflow", "queue")
    watched = _pools.watched(pool, "sqlite", _pools.take_name("p"), reading, lambda _: (5, 5))
    pool.interrupts = True

    with pytest.raises(KeyboardInterrupt):
        watched.returned(None)
