"""Pools of SQLAlchemy: what is recorded equals what the pool objects report, at every moment."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import exc, pool
from sqlalchemy.ext import asyncio as sa_asyncio

from tests.database.engines import Make, recorded, reported
from tests.database.numbers import Numbers

VERSION = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2])


def test_a_pool_is_known_before_its_first_connection(make: Make, numbers: Numbers) -> None:
    """Limits are told and counters stand at 0 from the start."""
    make(pool_size=3, max_overflow=4)

    assert numbers.pools() == {"sqlite:///pool.db"}
    assert numbers.pool() == {
        "used": 0,
        "idle": 0,
        "max": 7,
        "overflow": 0,
        "pending_requests": 0,
        "timeouts": 0,
        "wait_time": 0,
        "use_time": 0,
    }


def test_every_event_leaves_the_figures_the_pool_reports(make: Make, numbers: Numbers) -> None:
    """Checkout, checkin, overflow, invalidate, detach, dispose: looked at after each."""
    engine = make(pool_size=2, max_overflow=2)
    out: list[Any] = []

    def agrees() -> None:
        assert recorded(numbers) == reported(engine)

    for _ in range(4):
        out.append(engine.connect())
        agrees()
    assert recorded(numbers) == {"used": 4, "idle": 0, "overflow": 2}
    out.pop().close()
    agrees()
    out[0].invalidate()
    agrees()
    out.pop(0).close()
    agrees()
    detached = out.pop()
    detached.detach()
    agrees()
    detached.close()
    agrees()
    out.pop().close()
    agrees()
    engine.dispose()
    agrees()
    assert recorded(numbers) == {"used": 0, "idle": 0, "overflow": 0}
    with engine.connect():
        agrees()
    agrees()
    assert numbers.pool()["wait_time"] == 5
    assert numbers.pool()["use_time"] == 5


# SQLAlchemy forgets to close what comes back to a pool that was disposed of; 3.13 says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_disposing_with_connections_out_goes_nowhere_below_zero(
    make: Make, numbers: Numbers
) -> None:
    """The old pool's own arithmetic does; the new one goes by the same name."""
    engine = make(pool_size=1, max_overflow=2)
    old = engine.pool
    held = [engine.connect() for _ in range(2)]
    engine.dispose()
    fresh = engine.connect()
    assert numbers.pool()["max"] == 3
    for connection in held:
        connection.close()

    assert old.checkedout() < 0 or old.overflow() < 0
    assert all(value >= 0 for value in numbers.pool().values())
    assert numbers.pool()["used"] == 1
    fresh.close()
    held.clear()
    del old, fresh, connection
    gc.collect()
    assert recorded(numbers) == reported(engine) == {"used": 0, "idle": 1, "overflow": 0}
    assert numbers.pools() == {"sqlite:///pool.db"}


def test_waiting_and_timeouts_are_seen_while_they_last(make: Make, numbers: Numbers) -> None:
    """Callers that wait are pending; those that gave up are timeouts, the others get a turn."""
    engine = make(pool_size=1, max_overflow=0, pool_timeout=0.05)
    holder = engine.connect()
    with pytest.raises(exc.TimeoutError, match="QueuePool limit"):
        engine.connect()
    assert numbers.pool()["timeouts"] == 1
    assert numbers.pool()["pending_requests"] == 0

    engine.pool._timeout = 20
    threads = [threading.Thread(target=lambda: engine.connect().close()) for _ in range(3)]
    for thread in threads:
        thread.start()
    waiting = threading.Event()
    for _ in range(3000):
        if numbers.pool()["pending_requests"] == 3:
            break
        waiting.wait(0.01)
    assert numbers.pool()["pending_requests"] == 3
    holder.close()
    for thread in threads:
        thread.join()

    figures = numbers.pool()
    assert (figures["pending_requests"], figures["timeouts"], figures["wait_time"]) == (0, 1, 4)
    assert recorded(numbers) == reported(engine)


def test_figures_agree_after_many_threads_had_their_way(make: Make, numbers: Numbers) -> None:
    """No difference is lost or added twice, however events interleave."""
    engine = make(pool_size=3, max_overflow=2, pool_timeout=30)
    worst: list[float] = []

    def work(seed: int) -> None:
        for turn in range(60):
            connection = engine.connect()
            if (turn + seed) % 7 == 0:
                connection.invalidate()
            elif (turn + seed) % 11 == 0:
                connection.detach()
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        worst.append(min(recorded(numbers).values()))
    for thread in threads:
        thread.join()

    assert recorded(numbers) == reported(engine)
    assert min(worst, default=0) >= 0
    assert numbers.pool()["use_time"] == numbers.pool()["wait_time"] == 480


@pytest.mark.parametrize(
    ("kind", "while_out", "when_back"),
    [
        ("NullPool", {"used": 2, "idle": 0}, {"used": 0, "idle": 0}),
        ("StaticPool", {"used": 1, "idle": 0, "max": 1}, {"used": 0, "idle": 1, "max": 1}),
        ("SingletonThreadPool", {"used": 1, "idle": 0, "max": 5}, {"used": 0, "idle": 1, "max": 5}),
    ],
)
def test_pools_without_a_queue_are_counted_by_their_connections(
    kind: str,
    while_out: dict[str, float],
    when_back: dict[str, float],
    make: Make,
    numbers: Numbers,
) -> None:
    """Two are asked for: a null pool opens two, the others have one for all of a thread."""
    engine = make(poolclass=getattr(pool, kind))
    first, second = engine.connect(), engine.connect()
    seen = numbers.pool()
    assert {figure: seen.get(figure) for figure in while_out} == while_out
    first.close()
    second.close()
    seen = numbers.pool()
    assert {figure: seen.get(figure) for figure in when_back} == when_back
    assert ("max" in seen) == ("max" in when_back)


def test_a_static_pool_is_in_use_until_the_last_gives_its_connection_back(
    make: Make, numbers: Numbers
) -> None:
    """In whatever order and way; each has had it for a time."""
    engine = make(poolclass=pool.StaticPool)
    held: list[Any] = [engine.raw_connection() for _ in range(4)]
    detached = held[-1]
    seen = []
    for part_with in (
        lambda: held.pop(0).close(),
        lambda: held.pop(0),
        lambda: held.pop(0).close(),
        lambda: engine.connect().close(),
        lambda: held.pop().detach(),
        detached.close,
    ):
        part_with()
        gc.collect()
        figures = numbers.pool()
        seen.append((figures["used"], figures["idle"], figures["use_time"]))

    assert seen == [(1, 0, 1), (1, 0, 2), (1, 0, 3), (1, 0, 4), (0, 0, 5), (0, 0, 5)]
    assert numbers.pool()["wait_time"] == 5


@pytest.mark.parametrize("kind", ["NullPool", "StaticPool", "SingletonThreadPool"])
def test_an_engine_that_is_disposed_of_has_no_connections(
    kind: str, make: Make, numbers: Numbers
) -> None:
    """In such a pool."""
    engine = make(poolclass=getattr(pool, kind))
    engine.connect().close()
    engine.dispose()

    assert (numbers.pool()["used"], numbers.pool()["idle"]) == (0, 0)


def test_async_pools_agree_too(numbers: Numbers, tmp_path: Path) -> None:
    """An asyncio engine's pool under load, exhaustion, cancellation and dispose."""
    pytest.importorskip("aiosqlite")

    async def use() -> None:
        engine = sa_asyncio.create_async_engine(
            f"sqlite+aiosqlite:///{tmp_path}/a.db",
            poolclass=pool.AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=1,
            pool_timeout=30,
        )

        async def one() -> None:
            async with engine.connect() as connection:
                await connection.execute(sqlalchemy.text("SELECT 1"))

        await asyncio.gather(*(one() for _ in range(8)))
        assert recorded(numbers) == reported(engine)
        async with engine.connect(), engine.connect():
            assert recorded(numbers) == reported(engine) == {"used": 2, "idle": 0, "overflow": 1}
            waiting = asyncio.ensure_future(one())
            while numbers.pool()["pending_requests"] != 1:
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert numbers.pool()["pending_requests"] == 0
            engine.pool._timeout = 0.05  # type: ignore[attr-defined] # a queue's
            with pytest.raises(exc.TimeoutError):
                await engine.connect()
        assert recorded(numbers) == reported(engine)
        assert numbers.pool()["timeouts"] == 1
        await engine.dispose()
        assert recorded(numbers) == reported(engine) == {"used": 0, "idle": 0, "overflow": 0}

    asyncio.run(use())

    assert numbers.operations() == {"SELECT": 8}
    assert sum(numbers.refusals().values()) == 0


def test_a_leaked_connection_comes_back_when_it_is_collected(make: Make, numbers: Numbers) -> None:
    """SQLAlchemy returns what nobody holds any more; so do the figures."""
    engine = make()
    raw = engine.raw_connection()
    assert recorded(numbers)["used"] == 1
    del raw
    gc.collect()

    assert recorded(numbers) == reported(engine) == {"used": 0, "idle": 1, "overflow": 0}


def test_refused_connections_count_by_error(numbers: Numbers) -> None:
    """What a driver raises when nobody listens, once, and no timeout."""
    pytest.importorskip("psycopg2")
    engine = sqlalchemy.create_engine("postgresql+psycopg2://x@127.0.0.1:1/x")
    for _ in range(2):
        with pytest.raises(exc.OperationalError):
            engine.connect()

    assert numbers.refusals() == {"psycopg2.OperationalError": 2}
    assert (numbers.pool()["timeouts"], numbers.pool()["pending_requests"]) == (0, 0)
    assert recorded(numbers) == reported(engine)


def test_a_forked_child_begins_at_zero_and_writes_its_own(make: Make, numbers: Numbers) -> None:
    """As under gunicorn's preload: made before the fork, disposed of and used in the child."""
    engine = make(pool_size=2, max_overflow=0)
    with engine.connect():
        pass
    before = numbers.pool()
    assert (before["idle"], before["max"]) == (1, 2)

    child = os.fork()
    if not child:
        try:
            if VERSION >= (2, 0):
                engine.dispose(close=False)
            else:
                engine.pool = engine.pool.recreate()
            gc.collect()
            connection = engine.connect()
            seen = recorded(numbers)
            good = seen == {"used": 1, "idle": 1, "overflow": 0}
            connection.close()
            engine.dispose()
            gc.collect()
            good = good and recorded(numbers) == {"used": 0, "idle": 1, "overflow": 0}
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0

    assert recorded(numbers) == reported(engine) == {"used": 0, "idle": 1, "overflow": 0}


@pytest.mark.parametrize("kind", ["QueuePool", "NullPool", "StaticPool"])
def test_a_connection_that_is_out_at_a_fork_has_one_use_time(
    kind: str, make: Make, numbers: Numbers
) -> None:
    """The parent's, though the child leaves the block too; what it asks for then has its own."""
    engine = make(poolclass=getattr(pool, kind))
    connection = engine.connect()
    child = os.fork()
    if not child:
        try:
            connection.close()
            first = numbers.pool()["use_time"]
            engine.connect().close()
            os._exit(0 if (first, numbers.pool()["use_time"]) == (0, 1) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    connection.close()

    assert numbers.pool()["use_time"] == 2
