"""psycopg_pool: what is recorded equals what the pools' own figures say."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any

import psycopg
import psycopg_pool
import pytest

from monagent.conventions import _pools
from monagent.integrations import psycopg_pool as integration
from tests.database.numbers import Numbers
from tests.services.postgres import Server


def agrees(pool: Any, numbers: Numbers, out: int, name: str | None = None) -> None:
    """Used are those that the test holds, idle those that the pool has ready."""
    figures, stats = numbers.pool(name), pool.get_stats()
    assert (figures["used"], figures["idle"]) == (out, stats["pool_available"])
    assert figures["max"] == stats["pool_max"]


def eventually(holds: Any) -> None:
    """Waits for the pool's own threads."""
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("did not come")


def test_a_sync_pool_agrees_at_every_event(numbers: Numbers, postgres: Server) -> None:
    """Taking, returning, growth, a timeout, a broken connection, closing."""
    with psycopg_pool.ConnectionPool(postgres.dsn, min_size=2, max_size=3, open=True) as pool:
        pool.wait()
        agrees(pool, numbers, 0)
        first, second, third = pool.getconn(), pool.getconn(), pool.getconn()
        agrees(pool, numbers, 3)
        with pytest.raises(psycopg_pool.PoolTimeout):
            pool.getconn(timeout=0.05)
        assert numbers.pool()["timeouts"] == 1
        assert numbers.pool()["pending_requests"] == 0
        pool.putconn(first)
        agrees(pool, numbers, 2)
        second.close()
        pool.putconn(second)
        eventually(lambda: numbers.pool()["idle"] == 2)  # the pool has opened another
        agrees(pool, numbers, 1)
        pool.putconn(third)
        agrees(pool, numbers, 0)
        with pytest.raises(ValueError, match="can't return connection"):
            pool.putconn(third)
        agrees(pool, numbers, 0)
    figures = numbers.pool()

    assert (figures["used"], figures["idle"], figures["max"]) == (0, 0, 0)
    assert (figures["wait_time"], figures["use_time"]) == (3, 3)
    host = f"postgresql://127.0.0.1:{postgres.port}/postgres"
    assert numbers.pools() == {host}


def test_an_asyncio_pool_agrees_under_load(numbers: Numbers, postgres: Server) -> None:
    """More tasks than connections; waiting ones are pending."""

    async def use() -> None:
        async with psycopg_pool.AsyncConnectionPool(
            postgres.dsn, min_size=1, max_size=2, open=False, name="orders"
        ) as pool:

            async def one() -> None:
                async with pool.connection() as connection:
                    await connection.execute("SELECT 1")

            await asyncio.gather(*(one() for _ in range(20)))
            agrees(pool, numbers, 0, "orders")
            async with pool.connection(), pool.connection():
                agrees(pool, numbers, 2, "orders")
                waiting = asyncio.ensure_future(one())
                while pool.get_stats()["requests_waiting"] != 1:
                    await asyncio.sleep(0)
                assert numbers.pool()["pending_requests"] == 1
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert numbers.pool()["pending_requests"] == 0
            agrees(pool, numbers, 0, "orders")

    asyncio.run(use())

    assert numbers.operations() == {"SELECT": 20}
    assert numbers.pool()["use_time"] == 22
    assert numbers.refusals().get("asyncio.exceptions.CancelledError") is None


def test_a_null_pool_has_no_idle_connections(numbers: Numbers, postgres: Server) -> None:
    """It opens one per caller and closes it after."""
    with psycopg_pool.NullConnectionPool(postgres.dsn, max_size=2, open=True) as pool:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
            assert (numbers.pool()["used"], numbers.pool()["idle"]) == (1, 0)
        assert (numbers.pool()["used"], numbers.pool()["idle"]) == (0, 0)
        assert numbers.pool()["max"] == 2


def test_too_many_waiting_is_an_error_and_no_timeout(numbers: Numbers, postgres: Server) -> None:
    """The pool turns callers away at once."""
    with psycopg_pool.ConnectionPool(
        postgres.dsn, min_size=1, max_size=1, max_waiting=1, open=True
    ) as pool:
        held = pool.getconn()
        thread = threading.Thread(target=lambda: pool.putconn(pool.getconn()))
        thread.start()
        eventually(lambda: pool.get_stats()["requests_waiting"] == 1)
        with pytest.raises(psycopg_pool.TooManyRequests):
            pool.getconn()
        assert numbers.pool()["pending_requests"] == 1
        pool.putconn(held)
        thread.join()

    assert numbers.pool()["timeouts"] == 0
    assert numbers.refusals() == {"psycopg_pool.TooManyRequests": 1}


def test_two_pools_to_one_database_are_told_apart(numbers: Numbers, postgres: Server) -> None:
    """Unnamed ones by an ordinal that is free again when the pool is collected."""
    host = f"postgresql://127.0.0.1:{postgres.port}/postgres"
    pools = [
        psycopg_pool.ConnectionPool(postgres.dsn, min_size=1, max_size=size, open=False)
        for size in (3, 4)
    ]
    assert numbers.pool(host)["max"] == 3
    assert numbers.pool(f"{host}#2")["max"] == 4
    pools.clear()
    gc.collect()
    psycopg_pool.ConnectionPool(postgres.dsn, min_size=1, max_size=5, open=False)

    assert numbers.pools() == {host, f"{host}#2"}


def test_the_check_of_all_connections_is_no_operation(numbers: Numbers, postgres: Server) -> None:
    """Sync and asyncio."""
    with psycopg_pool.ConnectionPool(postgres.dsn, min_size=1, open=True) as pool:
        pool.wait()
        pool.check()
        with pool.connection() as connection:
            connection.execute("SELECT 1")

    async def use() -> None:
        async with psycopg_pool.AsyncConnectionPool(postgres.dsn, min_size=1, open=False) as pool:
            await pool.wait()
            await pool.check()
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

    asyncio.run(use())

    assert numbers.operations() == {"SELECT": 2}


@pytest.mark.skipif(
    not hasattr(psycopg_pool.ConnectionPool, "check_connection"), reason="checks came with 3.2"
)
def test_the_check_at_each_use_is_no_operation(numbers: Numbers, postgres: Server) -> None:
    """One of the program, or the library's own; sync and asyncio."""
    queries: list[str] = []

    def look(connection: Any) -> None:
        connection.execute("SELECT 'looked'")
        queries.append("looked")

    with (
        psycopg_pool.ConnectionPool(postgres.dsn, min_size=1, open=True, check=look) as pool,
        pool.connection() as connection,
    ):
        connection.execute("SELECT 1")

    async def use() -> None:
        check = psycopg_pool.AsyncConnectionPool.check_connection
        async with (
            psycopg_pool.AsyncConnectionPool(
                postgres.dsn, min_size=1, open=False, check=check
            ) as pool,
            pool.connection() as connection,
        ):
            await connection.execute("SELECT 1")

    asyncio.run(use())

    assert queries == ["looked"]
    assert numbers.operations() == {"SELECT": 2}


def test_a_refused_connection_of_a_null_pool_counts_once(numbers: Numbers) -> None:
    """It connects in the caller's own call; sync and asyncio."""
    nowhere = "host=127.0.0.1 port=1 dbname=postgres"
    with (
        psycopg_pool.NullConnectionPool(nowhere, open=True) as pool,
        pytest.raises(psycopg.OperationalError),
    ):
        pool.getconn()

    async def use() -> None:
        async with psycopg_pool.AsyncNullConnectionPool(nowhere, open=False) as pool:
            with pytest.raises(psycopg.OperationalError):
                await pool.getconn()

    asyncio.run(use())

    assert numbers.refusals() == {"psycopg.OperationalError": 2}
    assert numbers.pool("postgresql://127.0.0.1:1/postgres")["pending_requests"] == 0


def test_what_a_null_pool_itself_refuses_counts(numbers: Numbers, postgres: Server) -> None:
    """Its connection was opened, and then not given."""

    def configure(connection: Any) -> None:
        raise ValueError

    with (
        psycopg_pool.NullConnectionPool(postgres.dsn, open=True, configure=configure) as pool,
        pytest.raises(ValueError),
    ):
        pool.getconn()
    with pytest.raises(psycopg_pool.PoolClosed):
        pool.getconn()

    counted = {error: count for error, count in numbers.refusals().items() if count}
    assert counted == {"ValueError": 1, "psycopg_pool.PoolClosed": 1}


def test_an_engine_over_a_pool_counts_each_failure_once(numbers: Numbers, postgres: Server) -> None:
    """As psycopg's documentation has it: SQLAlchemy's pool keeps nothing, the one below does."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pool = psycopg_pool.ConnectionPool(
        postgres.dsn, min_size=1, max_size=1, open=True, timeout=0.1, name="below"
    )
    nowhere = "host=127.0.0.1 port=1 dbname=postgres"
    null = psycopg_pool.NullConnectionPool(nowhere, open=True, name="null")
    with pool, null:
        for below, failure in ((pool, psycopg_pool.PoolTimeout), (null, psycopg.OperationalError)):
            engine = sqlalchemy.create_engine(
                "postgresql+psycopg://", creator=below.getconn, poolclass=sqlalchemy.pool.NullPool
            )
            held = pool.getconn() if below is pool else None
            with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
                engine.connect()
            assert isinstance(caught.value.__cause__, failure)
            if held is not None:
                pool.putconn(held)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        sqlalchemy.create_engine("postgresql+psycopg://", creator=pool.getconn).connect()

    counted = {error: count for error, count in numbers.refusals().items() if count}
    assert counted == {"psycopg.OperationalError": 1, "psycopg_pool.PoolClosed": 1}
    assert numbers.pool("below")["timeouts"] == 1
    assert numbers.pool("below")["pending_requests"] == 0


def test_connections_that_are_never_returned_stay_in_use(
    numbers: Numbers, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool has them as taken for good, also once others stand where they stood in memory."""
    monkeypatch.setattr(integration, "id", lambda _: 1, raising=False)  # all at one address
    with (
        warnings.catch_warnings(),
        psycopg_pool.NullConnectionPool(postgres.dsn, max_size=4, open=True) as pool,
    ):
        warnings.simplefilter("ignore")
        for _ in range(4):
            pool.getconn()
            gc.collect()
        with pytest.raises(psycopg_pool.PoolTimeout):
            pool.getconn(timeout=0.05)

        assert numbers.pool()["used"] == pool._nconns == 4
        assert len(_pools.of(pool).given_at) == 1  # type: ignore[union-attr]
