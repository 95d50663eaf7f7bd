"""psycopg 3 on its own: every cursor and every way to send a statement, sync and asyncio."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest

from tests.database.numbers import Numbers
from tests.services.postgres import Server


@pytest.fixture
def connection(numbers: Numbers, postgres: Server) -> Iterator[psycopg.Connection[Any]]:
    """A connection that commits each statement, with a table `rows` of three rows."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE rows (a int UNIQUE)")
        connection.execute("INSERT INTO rows VALUES (1), (2), (3)")
        yield connection


def test_every_sync_way_counts_once(
    connection: psycopg.Connection[Any], numbers: Numbers, postgres: Server
) -> None:
    """As often as the server's log has it, fetches of a server-side cursor aside."""
    cursor = connection.cursor()
    cursor.execute("SELECT /* once */ a FROM rows").fetchall()
    cursor.executemany("INSERT INTO rows VALUES (%s)", [(4,), (5,)])
    assert list(cursor.stream("SELECT a FROM rows ORDER BY a")) == [(1,), (2,), (3,), (4,), (5,)]
    with cursor.copy("COPY rows FROM STDIN") as copy:
        for number in range(10, 15):
            copy.write_row((number,))
    with cursor.copy("COPY rows TO STDOUT") as copy:
        assert len(list(copy)) == 10
    with connection.transaction(), connection.cursor("named") as named:
        assert len(named.execute("SELECT a FROM rows").fetchall()) == 10
    with psycopg.ClientCursor(connection) as client:
        client.execute("SELECT %s", (1,))
    with connection.pipeline():
        connection.execute("UPDATE rows SET a = a")
        connection.execute("DELETE FROM rows")

    assert len(postgres.statements("/* once */")) == 1
    assert numbers.operations() == {
        "CREATE": 1,
        "INSERT": 2,
        "SELECT": 4,
        "COPY": 2,
        "UPDATE": 1,
        "DELETE": 1,
    }
    assert numbers.databases() == {("postgresql", "postgres")}


def test_every_asyncio_way_counts_once(numbers: Numbers, postgres: Server) -> None:
    """The same by coroutines and async generators."""

    async def use() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.dsn, autocommit=True) as own:
            await own.execute("CREATE TEMPORARY TABLE rows (a int)")
            cursor = own.cursor()
            await cursor.executemany("INSERT INTO rows VALUES (%s)", [(1,), (2,)])
            assert [row async for row in cursor.stream("SELECT a FROM rows")] == [(1,), (2,)]
            async with cursor.copy("COPY rows FROM STDIN") as copy:
                await copy.write_row((3,))
            async with own.transaction(), own.cursor("named") as named:
                await named.execute("SELECT a FROM rows")
                assert len(await named.fetchall()) == 3

    asyncio.run(use())

    assert numbers.operations() == {"CREATE": 1, "INSERT": 1, "SELECT": 2, "COPY": 1}


def test_a_stream_left_early_is_no_error(
    connection: psycopg.Connection[Any], numbers: Numbers
) -> None:
    """Its generator is closed; the statement did what was asked of it."""
    stream: Any = connection.cursor().stream("SELECT a FROM rows")
    assert next(stream) == (1,)
    stream.close()

    assert numbers.operations()["SELECT"] == 1


def test_failures_carry_state_and_type(numbers: Numbers, postgres: Server) -> None:
    """Constraint, syntax, timeout, a killed backend; the exceptions arrive as they were raised."""
    errors = psycopg.errors

    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE rows (a int UNIQUE)")
        connection.execute("INSERT INTO rows VALUES (1)")
        with pytest.raises(errors.UniqueViolation) as caught:
            connection.execute("INSERT INTO rows VALUES (1)")
        with pytest.raises(errors.SyntaxError):
            connection.execute("SELEC 1")
        connection.execute("SET statement_timeout = 20")
        with pytest.raises(errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(10)")
        connection.execute("RESET statement_timeout")  # What follows may take its time.
        with pytest.raises(errors.InvalidTextRepresentation):
            with connection.cursor().copy("COPY rows FROM STDIN") as copy:
                copy.write("no number\n")
        with pytest.raises(ZeroDivisionError):
            with connection.cursor().copy("COPY rows FROM STDIN"):
                raise ZeroDivisionError
        cursor = connection.cursor()
        with psycopg.connect(postgres.dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError) as killed:
            connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            cursor.execute("SELECT 1")

    assert caught.value.__traceback__ is not None
    assert caught.traceback[-1].name == "execute"
    assert "psycopg" in str(caught.traceback[-1].path)
    failed = {
        label: count
        for label, count in numbers.operations().items()
        if "rror" in label or "psycopg" in label
    }
    assert failed == {
        "INSERT 23505 psycopg.errors.UniqueViolation": 1,
        "_OTHER 42601 psycopg.errors.SyntaxError": 1,
        "SELECT 57014 psycopg.errors.QueryCanceled": 1,
        "COPY 22P02 psycopg.errors.InvalidTextRepresentation": 1,
        "COPY ZeroDivisionError": 1,
        # Until 3.2 a killed backend may look like a lost connection.
        **(
            {"SELECT psycopg.OperationalError": 2}
            if killed.type is psycopg.OperationalError
            else {
                "SELECT 57P01 psycopg.errors.AdminShutdown": 1,
                "SELECT psycopg.OperationalError": 1,
            }
        ),
    }


def test_refused_connections_count(numbers: Numbers) -> None:
    """Nobody listens on port 1; sync and asyncio alike."""

    async def use() -> None:
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect("host=127.0.0.1 port=1")

    with pytest.raises(psycopg.OperationalError):
        psycopg.Connection.connect("host=127.0.0.1 port=1")
    asyncio.run(use())

    assert numbers.refusals() == {"psycopg.OperationalError": 2}


def test_a_cancelled_statement_is_counted_as_such(numbers: Numbers, postgres: Server) -> None:
    """A task that gives up waiting."""

    async def use() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.dsn) as own:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(own.execute("SELECT pg_sleep(10)"), 0.05)

    asyncio.run(use())

    ((label, count),) = numbers.operations().items()
    assert label.startswith("SELECT ")
    assert "Cancel" in label
    assert count == 1


def test_patched_methods_pass_for_the_originals(numbers: Numbers) -> None:
    """Their kinds, names, signatures and the methods of their generators."""
    sync, other = psycopg.Cursor, psycopg.AsyncCursor

    assert inspect.iscoroutinefunction(other.execute)
    assert inspect.isasyncgenfunction(other.stream)
    assert inspect.isgeneratorfunction(sync.stream)
    assert not inspect.iscoroutinefunction(sync.execute)
    assert list(inspect.signature(sync.execute).parameters)[:3] == ["self", "query", "params"]
    assert list(inspect.signature(sync.copy).parameters)[:2] == ["self", "statement"]
    assert sync.copy.__qualname__ == "Cursor.copy"
    assert sync.__module__ == "psycopg"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="functions begin by their code's flag there")
def test_wrong_arguments_are_refused_at_the_call(
    connection: psycopg.Connection[Any], numbers: Numbers, postgres: Server
) -> None:
    """Before anything is awaited or iterated, as without monagent; nothing is counted of them."""
    before, plain = numbers.operations(), cast("Any", connection.cursor())
    with pytest.raises(TypeError, match=r"Cursor\.stream\(\) missing .* 'query'"):
        plain.stream()

    async def use() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.dsn) as other:
            cursor: Any = other.cursor()
            with pytest.raises(TypeError, match=r"AsyncCursor\.execute\(\) missing .* 'query'"):
                cursor.execute()
            with pytest.raises(TypeError, match="unexpected keyword argument 'sql'"):
                cursor.execute("SELECT 1", sql=1)
            await cursor.execute("SELECT 1", prepare=True)

    asyncio.run(use())

    assert numbers.operations() == {**before, "SELECT": 1}
