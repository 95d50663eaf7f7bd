"""Prints everything about psycopg, its pool and sqlite3 that a program could notice a change of."""

import asyncio
import inspect
import os
import pickle
import sqlite3
import traceback
import typing
from typing import Any
from unittest import mock

import psycopg
import psycopg_pool

DSN = os.environ["DATABASE"]


def told(call: Any) -> None:
    """The result, or the exception with where it was raised and what becomes of its pickle."""
    try:
        print(call())
    except Exception as error:
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if "monagent" not in f.filename
        ]
        print(type(error), error.args, frames[-1].name, error.__cause__, error.__context__)
        print(pickle.loads(pickle.dumps(error)).args, getattr(error, "sqlstate", None))


def functions() -> None:
    """What introspection says of everything that could be wrapped."""
    for cls in (
        psycopg.Cursor,
        psycopg.AsyncCursor,
        psycopg.ServerCursor,
        psycopg.AsyncServerCursor,
    ):
        for name in ("execute", "executemany", "stream", "copy"):
            function = inspect.getattr_static(cls, name, None) or getattr(cls, name)
            print(cls.__name__, name, type(function).__name__, function.__qualname__)
            print(function.__module__, inspect.signature(function), (function.__doc__ or "")[:30])
            print(inspect.getfullargspec(function), sorted(function.__annotations__))
            print(
                inspect.iscoroutinefunction(function),
                inspect.isasyncgenfunction(function),
                inspect.isgeneratorfunction(function),
            )
    for pool in (psycopg_pool.ConnectionPool, psycopg_pool.AsyncConnectionPool):
        for name in ("__init__", "getconn", "putconn", "close", "check", "resize"):
            function = getattr(pool, name)
            print(pool.__name__, name, type(function).__name__, inspect.signature(function))
            print(inspect.iscoroutinefunction(function), function.__qualname__)
    print(type(inspect.getattr_static(psycopg.Connection, "connect")), psycopg.connect)
    print(sorted(typing.get_type_hints(sqlite3.Row)), sqlite3.Connection.__mro__[0].__name__)
    for real in (
        psycopg.Cursor,
        psycopg.Connection,
        psycopg_pool.ConnectionPool,
        sqlite3.Connection,
    ):
        double = mock.create_autospec(real)
        print(type(double).__name__, sorted(name for name in dir(double) if name[0] != "_")[:5])


def use() -> None:
    """Rows, errors, COPY, a stream that is left, a pool that says no."""
    with psycopg.connect(DSN, autocommit=True) as connection:
        cursor = connection.cursor()
        told(lambda: cursor.execute("SELECT 1 AS a").fetchone())
        told(lambda: cursor.execute("SELECT 1/0"))
        told(lambda: cursor.execute("SELEC"))
        told(lambda: cursor.execute("SELECT %s", ()))
        told(cursor.execute)
        told(lambda: cursor.execute("SELECT 1", wrong=1))  # type: ignore[call-overload]
        told(lambda: list(cursor.stream("SELECT generate_series(1, 3)")))
        stream: Any = cursor.stream("SELECT generate_series(1, 3)")
        print(type(stream).__name__, next(stream), stream.close())
        with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            print(type(copy).__name__, [bytes(row) for row in copy])
        copying: Any = cursor.copy("COPY (SELECT 1) TO STDOUT")
        print(type(copying).__name__)
        copying.gen.close()
        print(cursor.execute("SELECT 2") is cursor, cursor.statusmessage, cursor.rowcount)
    told(lambda: cursor.execute("SELECT 1"))
    with psycopg_pool.ConnectionPool(DSN, min_size=1, max_size=1, open=True) as pool:
        with pool.connection() as one:
            told(lambda: pool.getconn(timeout=0.01))
            print(isinstance(one, psycopg.Connection), type(one) is psycopg.Connection)
        told(lambda: pool.putconn(psycopg.connect(DSN)))
        stats = pool.get_stats()
        print(sorted(stats), stats["requests_num"], pool.name)
    told(pool.getconn)
    connection3 = sqlite3.connect(":memory:")
    told(lambda: connection3.execute("SELEC"))
    told(lambda: connection3.execute("SELECT ?", (1, 2)))
    told(lambda: sqlite3.connect("/nowhere/x.db"))
    told(sqlite3.connect)
    print(type(connection3).__name__, type(connection3).__module__, connection3.execute("SELECT 1"))
    connection3.close()


async def use_async() -> None:
    """The same by coroutines."""
    async with await psycopg.AsyncConnection.connect(DSN, autocommit=True) as connection:
        cursor = connection.cursor()
        print(await (await cursor.execute("SELECT 1")).fetchall())
        stream: Any = cursor.stream("SELECT generate_series(1, 3)")
        print(type(stream).__name__, await stream.__anext__(), await stream.aclose())
        stream = cursor.stream("SELECT generate_series(1, 3)")
        print(await stream.asend(None))
        try:
            await stream.athrow(KeyError("thrown"))
        except KeyError as error:
            print(repr(error))
        coroutine: Any = cursor.execute("SELECT 1")
        print(type(coroutine).__name__, coroutine.__qualname__)
        await coroutine
        async with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            print([bytes(row) async for row in copy])
        try:
            await asyncio.wait_for(cursor.execute("SELECT pg_sleep(5)"), 0.05)
        except asyncio.TimeoutError as error:
            print(repr(error))


functions()
use()
asyncio.run(use_async())
