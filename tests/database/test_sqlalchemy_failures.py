"""SQLAlchemy on a real PostgreSQL when things go wrong: each failure once, by its type."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import exc, text
from sqlalchemy.ext import asyncio as sa_asyncio

from tests.database.numbers import Numbers
from tests.services.postgres import Server

VERSION = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2])


def failures(numbers: Numbers) -> dict[str, int]:
    """Counts of what failed, with the parts of the driver's names left out that differ."""
    found = {}
    for label, count in numbers.operations().items():
        operation, _, rest = label.partition(" ")
        if "rror" in rest or "." in rest:
            found[f"{operation} {rest.rpartition('.')[2]}"] = count
    return found


def fail_in_every_way(connection: Any, kill: Any) -> None:
    """Constraint, syntax, timeout, killed backend; each leaves an exception of SQLAlchemy's."""
    connection.execute(text("CREATE TEMPORARY TABLE once (a int UNIQUE)"))
    connection.execute(text("INSERT INTO once VALUES (1)"))
    connection.commit()
    for statement, expected in (
        ("INSERT INTO once VALUES (1)", exc.IntegrityError),
        ("SELEC 1", exc.ProgrammingError),
        ("SELECT 1/0", exc.DBAPIError),
    ):
        with pytest.raises(expected):
            connection.execute(text(statement))
        connection.rollback()
    connection.execute(text("SET statement_timeout = 20"))
    with pytest.raises(exc.DBAPIError):
        connection.execute(text("SELECT pg_sleep(10)"))
    connection.rollback()
    kill(connection.execute(text("SELECT pg_backend_pid()")).scalar())
    with pytest.raises(exc.DBAPIError) as caught:
        connection.execute(text("SELECT 1"))
    assert caught.value.connection_invalidated


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg"])
def test_failures_count_once_by_the_drivers_error(
    driver: str, numbers: Numbers, postgres: Server
) -> None:
    """Whatever adapter lies between, it is the driver's error that is told, with its state."""
    psycopg = pytest.importorskip("psycopg")
    pytest.importorskip(driver)
    if VERSION < (2, 0):
        pytest.skip("connections of SQLAlchemy 1.4 commit by themselves")

    def kill(pid: int) -> None:
        def terminate() -> None:  # in a thread, since the driver's own statements count too
            with psycopg.connect(postgres.dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 2000)", (pid,))

        thread = threading.Thread(target=terminate)
        thread.start()
        thread.join()

    if driver == "asyncpg":

        async def use() -> None:
            engine = sa_asyncio.create_async_engine(postgres.url(driver))
            async with engine.connect() as connection:
                await connection.run_sync(fail_in_every_way, kill)
            await engine.dispose()

        asyncio.run(use())
        expected = {
            "INSERT UniqueViolationError": 1,
            "_OTHER PostgresSyntaxError": 1,
            "SELECT DivisionByZeroError": 1,
            "SELECT QueryCanceledError": 1,
        }
    else:
        engine = sqlalchemy.create_engine(postgres.url(driver))
        with engine.connect() as connection:
            fail_in_every_way(connection, kill)
        engine.dispose()
        expected = {
            "INSERT UniqueViolation": 1,
            "_OTHER SyntaxError": 1,
            "SELECT DivisionByZero": 1,
            "SELECT QueryCanceled": 1,
        }

    counted = failures(numbers)
    killed = {label: count for label, count in counted.items() if label not in expected}
    assert {label: counted.get(label) for label in expected} == expected
    assert sum(killed.values()) == 1
    states = {label.split()[1] for label in numbers.operations() if "Unique" in label}
    assert states == {"23505"}
    assert numbers.pool()["used"] == 0


def test_a_cancelled_statement_counts_and_its_connection_comes_back(
    numbers: Numbers, postgres: Server
) -> None:
    """A task gives up; the pool has nothing in use afterwards."""
    pytest.importorskip("asyncpg")

    async def use() -> None:
        engine = sa_asyncio.create_async_engine(postgres.url("asyncpg"))

        async def slow() -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(600) /* given up */"))

        task = asyncio.ensure_future(slow())
        while not postgres.statements("/* given up */") and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert numbers.pool()["used"] == engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        await engine.dispose()

    asyncio.run(use())

    assert failures(numbers) == {"SELECT CancelledError": 1}


def test_a_ping_before_use_is_no_operation(numbers: Numbers, postgres: Server) -> None:
    """What a pool sends to check a connection is part of getting it, seen by the driver or not."""
    if VERSION < (2, 0):
        pytest.skip("SQLAlchemy 1.4 has no dialect for psycopg 3")
    pytest.importorskip("psycopg")
    engine = sqlalchemy.create_engine(postgres.url("psycopg"), pool_pre_ping=True)
    for _ in range(3):
        with engine.connect() as connection:
            connection.execute(text("SELECT 2 /* asked */"))
    engine.dispose()

    assert len(postgres.statements("/* asked */")) == 3
    assert numbers.operations() == {"SELECT": 3}


def test_statements_of_the_driver_under_an_engine_count_as_the_drivers(
    numbers: Numbers, postgres: Server
) -> None:
    """A raw connection is used past SQLAlchemy."""
    if VERSION < (2, 0):
        pytest.skip("SQLAlchemy 1.4 has no dialect for psycopg 3")
    pytest.importorskip("psycopg")
    engine = sqlalchemy.create_engine(postgres.url("psycopg"))
    raw = engine.raw_connection()
    raw.cursor().execute("SELECT 1")
    raw.close()
    engine.dispose()

    assert numbers.operations() == {"SELECT": 1}
