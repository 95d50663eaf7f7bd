"""Statements of tasks of asyncio cover what their task does, and nothing of them outlives them."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

import psycopg_pool
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from monagent.conventions import database
from monagent.native import part
from tests.database.numbers import Numbers
from tests.parts import needed
from tests.services.postgres import Server

LABELS = ("postgresql", "shop", "SELECT", None)


sharing = pytest.mark.skipif(sys.version_info < (3, 11), reason="create_task has no context")


def asynchronous(server: Server, **options: Any) -> AsyncEngine:
    """An engine, with a connection for each of ten tasks."""
    return create_async_engine(server.url("psycopg_async"), pool_size=10, **options)


async def in_one_context(use: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Ten tasks that do the same."""
    context: Any = {"context": copy_context()}
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_task(use(), **context) for _ in range(10)))


def test_each_statement_of_many_tasks_counts_once(numbers: Numbers, postgres: Server) -> None:
    """By SQLAlchemy's and by psycopg's own cursors, at the same time in one loop."""

    async def use(engine: AsyncEngine) -> None:
        for _ in range(5):
            async with engine.connect() as connection:
                await connection.execute(sqlalchemy.text("SELECT pg_sleep(0.001)"))
                fairy = await connection.get_raw_connection()
                driver: Any = fairy.driver_connection
                await driver.execute("SHOW search_path")
                await connection.execute(sqlalchemy.text("SELECT 1"))

    async def main() -> None:
        engine = asynchronous(postgres)
        await asyncio.gather(*(use(engine) for _ in range(10)))
        await engine.dispose()

    asyncio.run(main())

    operations = numbers.operations()
    assert (operations["SELECT"], operations["SHOW"]) == (100, 50)


@sharing
def test_tasks_that_share_a_context_count_each_statement_and_no_ping(
    numbers: Numbers, postgres: Server
) -> None:
    """While one of them opens or looks at its connection, the others are heard."""

    async def main() -> None:
        engine = asynchronous(postgres, pool_pre_ping=True)

        async def use() -> None:
            for _ in range(5):
                async with engine.connect() as connection:
                    await connection.execute(sqlalchemy.text("SELECT 1"))

        await in_one_context(use)
        await engine.dispose()

    asyncio.run(main())

    assert numbers.operations() == {"SELECT": 50}


@sharing
@pytest.mark.skipif(
    not hasattr(psycopg_pool.ConnectionPool, "check_connection"), reason="checks came with 3.2"
)
def test_tasks_that_share_a_context_count_no_check_of_a_pool(
    numbers: Numbers, postgres: Server
) -> None:
    """As above, where nothing but the pool is on top of the driver."""

    async def main() -> None:
        check = psycopg_pool.AsyncConnectionPool.check_connection
        async with psycopg_pool.AsyncConnectionPool(
            postgres.dsn, min_size=10, open=False, check=check
        ) as pool:
            await pool.wait()

            async def use() -> None:
                for _ in range(5):
                    async with pool.connection() as connection:
                        await connection.execute("SELECT 1")

            await in_one_context(use)

    asyncio.run(main())

    assert numbers.operations() == {"SELECT": 50}


def test_a_cover_of_a_task_covers_what_it_starts(numbers: Numbers) -> None:
    """Threads and tasks that are handed a copy of its context, as `wait_for` does until 3.11."""

    async def covered() -> bool:
        return bool(database.covered())

    async def what_it_starts() -> list[bool]:
        thread = await asyncio.to_thread(lambda: bool(database.covered()))
        return [thread, await asyncio.create_task(covered())]

    async def main() -> list[list[bool]]:
        cover = database.Cover()
        said = [await what_it_starts()]
        cover.clear()
        return [*said, await what_it_starts()]

    database.in_tasks()

    assert asyncio.run(main()) == [[True, True], [False, False]]


def test_cancelled_statements_cover_no_longer(numbers: Numbers, postgres: Server) -> None:
    """The task that goes on is heard."""
    covered: list[bool] = []

    async def use(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            try:
                await connection.execute(sqlalchemy.text("SELECT pg_sleep(10)"))
            except asyncio.CancelledError:
                covered.append(bool(database.covered()))

    async def main() -> None:
        engine = asynchronous(postgres)
        task = asyncio.ensure_future(use(engine))
        while "SELECT" not in str(await statements_now(engine)):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        await engine.dispose()

    async def statements_now(engine: AsyncEngine) -> Any:
        async with engine.connect() as connection:
            running = sqlalchemy.text(
                "SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%sleep%'"
                " AND pid != pg_backend_pid()"
            )
            return (await connection.execute(running)).all()

    asyncio.run(main())

    assert covered == [False]


@needed
def test_a_context_is_the_same_after_a_statement(numbers: Numbers) -> None:
    """Timers keep it, each a copy, also after they were cancelled."""

    async def main() -> None:
        before = dict(copy_context())
        mark = database.begun(LABELS)
        assert mark is not None and database.covered()
        assert dict(copy_context()) == before
        mark.ended()

    database.in_tasks()
    asyncio.run(main())


@needed
def test_one_that_nobody_ended_covers_nothing(numbers: Numbers) -> None:
    """Its last reference ends what it covers, and children begin anew."""

    async def main() -> list[bool]:
        mark: Any = database.begun(LABELS)
        said = [bool(database.covered())]
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(into, b"covered" if database.covered() else b"free")
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.read(out, 10) == b"free"
        said.append(bool(database.covered()))
        del mark
        gc.collect()
        return [*said, bool(database.covered())]

    database.in_tasks()

    assert asyncio.run(main()) == [True, True, False]
    assert part.covered() is False


@needed
def test_a_task_that_cannot_be_told_goes_by_its_context(numbers: Numbers) -> None:
    """As statements do outside of tasks."""

    def fails(*_: Any) -> Any:
        raise LookupError

    async def main() -> None:
        mark = database.begun(LABELS)
        assert mark is not None and database.covered()
        assert database.begun(LABELS) is None
        mark.ended()
        assert not database.covered()

    for running_loop, task_of in ((fails, fails), (asyncio._get_running_loop, fails)):
        part.use_tasks(running_loop, task_of)
        asyncio.run(main())
    database.in_tasks()
