"""Whatever of monagent fails while a database is used, results and exceptions stay the same."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sqlite3
import sys
from pathlib import Path
from typing import Any

import aiosqlite
import psycopg
import psycopg_pool
import pytest
import sqlalchemy
from sqlalchemy import exc, pool
from sqlalchemy.ext import asyncio as sa_asyncio

from monagent import guard, metrics
from monagent.conventions import _covers, _pools, _sql, database
from monagent.instrument import hooks
from monagent.metrics import declared, family
from monagent.native import part
from tests.database.numbers import Numbers
from tests.services.postgres import Server

pytestmark = pytest.mark.swallows

MODULES = [database, _covers, _pools, _sql, declared, family]
LOADED = ["_database", "_sqlalchemy", "sqlalchemy", "sqlite3", "psycopg", "psycopg_pool"]
GUARDS = ("failed", "_collected", "use", "clear")
"""The guard, what a weak reference calls and guards itself, what tests call, and what ends a
cover."""


class Bottom(BaseException):
    """Not even an Exception."""


def reachable() -> list[str]:
    """Every function and method of the modules that an operation passes, by "module:path"."""
    found: list[str] = []
    module: Any
    for module in [*MODULES, *(sys.modules[f"{hooks.PACKAGE}.{name}"] for name in LOADED)]:
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(value) and name not in GUARDS:
                found.append(f"{module.__name__}:{name}")
            elif inspect.isclass(value):
                found += [
                    f"{module.__name__}:{name}.{method}"
                    for method, function in vars(value).items()
                    if inspect.isfunction(function) and method not in GUARDS
                ]
    found += [f"{database.__name__}:{name}" for name in ("begun", "Cover", "covering", "in_tasks")]
    if part is not None:
        found += [f"{_pools.__name__}:Pool.{name}" for name in ("asked", "given", "returned")]
    return found


def use(directory: Path, server: Server) -> list[Any]:
    """What a program gets from each library, failures included."""
    got: list[Any] = []

    def told(call: Any) -> None:
        try:
            got.append(call())
        except Exception as error:
            got.append((type(error), str(error)))

    with sqlite3.connect(directory / "a.db") as connection:
        told(lambda: connection.execute("SELECT 1").fetchall())
        told(lambda: connection.execute("SELEC 1"))
    connection.close()
    told(lambda: sqlite3.connect("/nowhere/a.db"))
    for url in (f"sqlite:///{directory}/a.db", server.url("psycopg")):
        engine = sqlalchemy.create_engine(
            url, poolclass=pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.001
        )
        with engine.connect() as held:
            told(lambda: held.execute(sqlalchemy.select(sqlalchemy.literal(2))).all())
            told(lambda: engine.connect().close())  # noqa: B023
            held.detach()
        engine.dispose()
        with engine.connect() as held, pytest.raises(exc.DBAPIError):
            held.execute(sqlalchemy.text("SELEC 1"))
        engine.dispose()
    with psycopg_pool.ConnectionPool(server.dsn, min_size=1, max_size=1, open=True) as taken:
        with taken.connection() as one:
            told(lambda: one.execute("SELECT 3").fetchall())
            told(lambda: list(one.cursor().stream("SELECT 4")))
            told(lambda: taken.getconn(timeout=0.01))
            with one.cursor().copy("COPY (SELECT 5) TO STDOUT") as copy:
                got.append([bytes(row) for row in copy])
    told(lambda: psycopg.Connection.connect("host=127.0.0.1 port=1 connect_timeout=1"))
    asyncio.run(use_async(directory, server, got))
    return got


async def use_async(directory: Path, server: Server, got: list[Any]) -> None:
    """The coroutines of the same."""
    engine = sa_asyncio.create_async_engine(f"sqlite+aiosqlite:///{directory}/a.db")
    async with engine.connect() as connection:
        got.append((await connection.execute(sqlalchemy.text("SELECT 6"))).all())
    await engine.dispose()
    async with aiosqlite.connect(directory / "a.db") as own:
        got.append(await (await own.execute("SELECT 7")).fetchall())
    async with await psycopg.AsyncConnection.connect(server.dsn) as one:
        got.append(await (await one.execute("SELECT 8")).fetchall())
        async with one.cursor().copy("COPY (SELECT 9) TO STDOUT") as copy:
            got.append([bytes(row) async for row in copy])


@pytest.mark.parametrize("error", [ValueError, Bottom], ids=lambda kind: kind.__name__)
def test_results_stay_the_same_whatever_fails(
    numbers: Numbers,
    swallowed: list[Any],
    error: type[BaseException],
    tmp_path: Path,
    postgres: Server,
) -> None:
    """All functions at once, and each alone."""
    expected = use(tmp_path, postgres)
    names = reachable()
    assert len(names) > 60
    with pytest.MonkeyPatch.context() as patch:
        for where in names:
            broken(patch, where, error)
        assert use(tmp_path, postgres) == expected
    noticed = []
    for where in names:
        with pytest.MonkeyPatch.context() as patch:
            broken(patch, where, error)
            swallowed.clear()
            guard.forget()
            metrics.use(metrics.Recording())  # Everything is bound anew.
            assert use(tmp_path, postgres) == expected, where
            noticed.append(bool(swallowed))
        assert not database.covered(), where
        hooks.uninstall()  # A part that kept failing has been taken off.
        hooks.install()

    gc.collect()
    assert sum(noticed) > 20


def broken(patch: pytest.MonkeyPatch, where: str, error: type[BaseException]) -> None:
    """Makes one function raise."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error("sabotage")

    module, _, path = where.partition(":")
    owner: Any = sys.modules[module]
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    patch.setattr(owner, name, fail)
