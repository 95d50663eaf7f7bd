"""Statements of tasks of asyncio cover what their task does, and nothing of them outlives them."""

from __future__ import annotations

import asyncio
import gc
import os
from contextvars import copy_context
from typing import Any

import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from monagent.conventions import database
from monagent.native import part
from tests.database.numbers import Numbers
from tests.parts import needed
from tests.services.postgres import Server

LABELS = ("postgresql", "shop", "SELECT", None)


def asynchronous(server: Server) -> AsyncEngine:
    """An engine, with a connection for each of ten tasks."""
    return create_async_engine(server.url("psycopg_async"), pool_size=10)


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
