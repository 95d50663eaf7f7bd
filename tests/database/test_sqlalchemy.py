"""SQLAlchemy: each statement once, by operation and table, whatever lies on top or below."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import exc, orm
from sqlalchemy.ext import asyncio as sa_asyncio

from monagent.conventions import database
from tests.database.numbers import Numbers
from tests.services.postgres import Server

VERSION = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2])

metadata = sqlalchemy.MetaData()
shops = sqlalchemy.Table(
    "shops",
    metadata,
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("name", sqlalchemy.String(40), unique=True),
)
items = sqlalchemy.Table(
    "items",
    metadata,
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("shop_id", sqlalchemy.ForeignKey("shops.id")),
)
registry = orm.registry()


class Shop:
    """A mapped class."""

    def __init__(self, name: str) -> None:
        self.name = name


class Item:
    """Another."""


registry.map_imperatively(Shop, shops, properties={"items": orm.relationship(Item)})
registry.map_imperatively(Item, items)


@contextlib.contextmanager
def engine_of(url: str, **options: Any) -> Iterator[Any]:
    """An engine that is disposed of at the end."""
    engine = sqlalchemy.create_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def sqlite(numbers: Numbers, tmp_path: Path) -> Iterator[Any]:
    """An engine on a file, with tables that nothing was counted of."""
    with engine_of(f"sqlite:///{tmp_path}/shop.db") as engine:
        with engine.begin() as connection:
            for table in (shops, items):
                connection.execute(sqlalchemy.schema.CreateTable(table))
        assert numbers.operations() == {"CREATE items": 1, "CREATE shops": 1}
        yield engine


def test_core_statements_are_known_by_operation_and_table(sqlite: Any, numbers: Numbers) -> None:
    """The table is named where it is one; joins, unions and subqueries have none."""
    name = shops.c.name
    with sqlite.begin() as connection:
        connection.execute(shops.insert(), {"name": "a"})
        connection.execute(shops.insert(), [{"name": "b"}, {"name": "c"}])
        connection.execute(sqlalchemy.select(shops)).all()
        connection.execute(sqlalchemy.select(name).where(name.in_(["a", "b"]))).all()
        connection.execute(sqlalchemy.select(name).where(name.in_(["a", "b", "c"]))).all()
        connection.execute(sqlalchemy.select(shops.alias("other"))).all()
        connection.execute(sqlalchemy.select(sqlalchemy.select(shops).alias("sub"))).all()
        connection.execute(sqlalchemy.select(name).join_from(shops, items)).all()
        connection.execute(sqlalchemy.select(name).union(sqlalchemy.select(name))).all()
        connection.execute(sqlalchemy.select(1)).all()
        connection.execute(shops.update().values(name=name + "!"))
        connection.execute(shops.delete())

    counted = numbers.operations()
    assert counted == {
        "CREATE items": 1,
        "CREATE shops": 1,
        "INSERT shops": 2,
        "SELECT shops": 4,
        "SELECT": 4,
        "UPDATE shops": 1,
        "DELETE shops": 1,
    }
    assert numbers.databases() == {("sqlite", "shop.db")}


def test_orm_statements_are_known_by_operation_and_table(sqlite: Any, numbers: Numbers) -> None:
    """Flushes, loads, lazy and eager relationships, queries of the old kind."""
    before = numbers.operations()
    with orm.Session(sqlite) as session:
        session.add(Shop("a"))
        session.commit()
        shop = session.execute(sqlalchemy.select(Shop)).scalar_one()
        assert shop.items == []  # type: ignore[attr-defined]
        session.query(Shop).filter_by(name="a").one()
        session.get(Shop, 99)
        session.execute(
            sqlalchemy.select(Shop).options(orm.selectinload(Shop.items))  # type: ignore[attr-defined]
        ).all()
        session.execute(sqlalchemy.select(Shop).join(Shop.items)).all()  # type: ignore[attr-defined]
        shop.name = "b"
        session.commit()

    counted = {label: count for label, count in numbers.operations().items() if label not in before}
    assert counted == {
        "INSERT shops": 1,
        "SELECT shops": 4,
        "SELECT items": 2,
        "SELECT": 1,
        "UPDATE shops": 1,
    }


def test_texts_are_known_by_their_verb(sqlite: Any, numbers: Numbers) -> None:
    """`text()` and what goes straight to the driver; no text becomes a label."""
    with sqlite.begin() as connection:
        connection.execute(sqlalchemy.text("select 1")).all()
        connection.execute(sqlalchemy.text("select :a"), {"a": 1}).all()
        connection.exec_driver_sql("WITH a AS (SELECT 1) SELECT * FROM a").all()
        connection.exec_driver_sql("PRAGMA user_version").all()
        with pytest.raises(exc.OperationalError):
            connection.exec_driver_sql("selec 1")

    counted = numbers.operations()
    status = "SQLITE_ERROR " if hasattr(__import__("sqlite3"), "SQLITE_ERROR") else ""
    assert counted == {
        "CREATE items": 1,
        "CREATE shops": 1,
        "SELECT": 3,
        "PRAGMA": 1,
        f"_OTHER {status}sqlite3.OperationalError": 1,
    }


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg"])
def test_each_statement_counts_once_over_every_driver(
    driver: str, numbers: Numbers, postgres: Server
) -> None:
    """As often as the client sent it and as the server's log has it, drivers watched or not."""
    pytest.importorskip(driver)
    if driver == "psycopg" and VERSION < (2, 0):
        pytest.skip("SQLAlchemy 1.4 has no dialect for psycopg 3")
    mark = f"mark of {driver}"
    statement = sqlalchemy.text(f"SELECT 1 /* {mark} */")

    async def use_async() -> None:
        engine = sa_asyncio.create_async_engine(postgres.url(driver))
        async with engine.connect() as connection:
            for _ in range(5):
                await connection.execute(statement)
        await engine.dispose()

    if driver == "asyncpg":
        asyncio.run(use_async())
    else:
        with engine_of(postgres.url(driver)) as engine, engine.connect() as connection:
            for _ in range(5):
                connection.execute(statement)

    assert len(postgres.statements(mark)) == 5
    assert numbers.operations() == {"SELECT": 5}
    assert numbers.databases() == {("postgresql", "postgres")}


def test_async_sessions_count_once_with_a_watched_driver_below(
    numbers: Numbers, postgres: Server
) -> None:
    """psycopg's coroutines run in another greenlet's task; a driver's own use still counts."""
    if VERSION < (2, 0):
        pytest.skip("SQLAlchemy 1.4 has no dialect for psycopg 3")
    psycopg = pytest.importorskip("psycopg")

    async def use() -> None:
        engine = sa_asyncio.create_async_engine(postgres.url("psycopg_async"))
        async with sa_asyncio.AsyncSession(engine) as session:
            await asyncio.gather(*(one(engine) for _ in range(10)))
            await session.execute(sqlalchemy.text("SELECT 1"))
        async with await psycopg.AsyncConnection.connect(postgres.dsn) as own:
            await own.execute("SELECT 2")
        await engine.dispose()

    async def one(engine: Any) -> None:
        async with engine.connect() as connection:
            await connection.execute(sqlalchemy.text("SELECT 3"))

    asyncio.run(use())

    assert numbers.operations() == {"SELECT": 12}


def test_aiosqlite_counts_once_with_and_without_an_engine(numbers: Numbers, tmp_path: Path) -> None:
    """Its statements run in a thread where nothing is known of the engine's task."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def use() -> None:
        engine = sa_asyncio.create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
        async with engine.connect() as connection:
            for _ in range(3):
                await connection.execute(sqlalchemy.text("SELECT 1"))
        await engine.dispose()
        async with aiosqlite.connect(tmp_path / "a.db") as own:
            await own.execute("VALUES (1)")

    asyncio.run(use())

    assert numbers.operations() == {"SELECT": 3, "VALUES": 1}


def test_a_task_started_meanwhile_is_not_silenced(numbers: Numbers, sqlite: Any) -> None:
    """It inherits the context that it was started in, and outlives what covers there."""
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await asyncio.sleep(0)
        with sqlite.connect() as connection:
            connection.exec_driver_sql("PRAGMA user_version")

    async def use() -> None:
        cover = database.Cover()
        assert database.covered()
        tasks.append(asyncio.ensure_future(later()))
        cover.clear()
        assert not database.covered()
        await tasks[0]

    asyncio.run(use())

    assert numbers.operations()["PRAGMA"] == 1


def test_batches_of_one_insert_count_as_the_server_sees_them(
    numbers: Numbers, postgres: Server
) -> None:
    """SQLAlchemy 2 splits many rows with RETURNING into several statements."""
    if VERSION < (2, 0):
        pytest.skip("since SQLAlchemy 2.0")
    pytest.importorskip("psycopg")
    batches = sqlalchemy.MetaData()
    table = sqlalchemy.Table(
        "batches", batches, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True)
    )
    rows = [{"id": number} for number in range(25)]
    with engine_of(postgres.url("psycopg"), insertmanyvalues_page_size=10) as engine:
        batches.create_all(engine)
        with engine.begin() as connection:
            connection.execute(table.insert().returning(table.c.id), rows).all()
        batches.drop_all(engine)

    assert len(postgres.statements("INSERT INTO batches")) == 3
    assert numbers.operations()["INSERT batches"] == 3


def test_a_query_of_two_milliseconds_lies_in_its_bucket(numbers: Numbers, postgres: Server) -> None:
    """Seconds, with edges that tell 2 ms from 1 and from 5, as far as the machine is quick."""
    pytest.importorskip("psycopg2")
    with engine_of(postgres.url("psycopg2")) as engine, engine.connect() as connection:
        seen = []
        for _ in range(21):
            begun = time.perf_counter()
            connection.execute(sqlalchemy.text("SELECT pg_sleep(0.002)"))
            seen.append(time.perf_counter() - begun)

    ((_, cells),) = numbers.series("db.client.operation.duration").items()
    total, buckets = cells[0], cells[1:]
    assert sum(buckets) == 21
    assert total >= 21 * 0.002
    assert {0.001, 0.005} <= {*database.EDGES}
    for place, edge in enumerate(database.EDGES):
        below = sum(buckets[: place + 1])
        assert below == 0 if edge <= 0.001 else below >= sum(one <= edge for one in seen)
    assert total <= sum(seen)


def test_dialects_with_their_own_execute_are_watched_as_well(
    numbers: Numbers, tmp_path: Path
) -> None:
    """Third parties override what we wrap; whether they call the base or not, it counts once."""
    from sqlalchemy.dialects import registry as dialects
    from sqlalchemy.dialects.sqlite import pysqlite

    base: Any = pysqlite.dialect
    globals()["Calling"] = type(
        "Calling",
        (base,),
        {
            "__module__": __name__,
            "supports_statement_cache": True,
            "do_execute": lambda self, cursor, statement, parameters, context=None: base.do_execute(
                self, cursor, statement, parameters, context
            ),
        },
    )
    globals()["Direct"] = type(
        "Direct",
        (base,),
        {
            "__module__": __name__,
            "supports_statement_cache": True,
            "do_execute": lambda self, cursor, statement, parameters, context=None: cursor.execute(
                statement, parameters
            ),
        },
    )
    for name in ("Calling", "Direct"):
        dialects.register(name.lower(), __name__, name)
        with engine_of(f"{name.lower()}:///{tmp_path}/x.db") as engine:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.select(1)).all()

    # Had the driver counted it, there would be two of them.
    assert numbers.operations() == {"SELECT": 2}
