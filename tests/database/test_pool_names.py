"""Names of SQLAlchemy's pools: bounded, without secrets, free again when an engine is gone."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import pool

from monagent.conventions import _pools
from tests.database.engines import Make, recorded, reported
from tests.database.numbers import Numbers


def test_names_tell_two_engines_on_one_url_apart(make: Make, numbers: Numbers) -> None:
    """The second has an ordinal, which the next one gets when it is gone."""
    first, second = make(pool_size=1), make(pool_size=2)
    with first.connect(), second.connect(), second.connect():
        assert numbers.pool("sqlite:///pool.db")["used"] == 1
        assert numbers.pool("sqlite:///pool.db#2")["used"] == 2
    third = make(pool_size=3)

    assert numbers.pools() == {"sqlite:///pool.db", "sqlite:///pool.db#2", "sqlite:///pool.db#3"}
    assert third is not first


def test_engines_that_keep_no_connection_go_by_one_name(make: Make, numbers: Numbers) -> None:
    """Programs make one for each call, and how many wait to be collected must not name them."""
    keeping = make(pool_size=1)
    engines = [make(poolclass=pool.NullPool) for _ in range(3)]
    with engines[0].connect(), engines[1].connect(), keeping.connect():
        assert numbers.pool("sqlite:///pool.db")["used"] == 1
        assert numbers.pool("sqlite:///pool.db#2")["used"] == 2
    engines[2].connect().close()

    assert numbers.pools() == {"sqlite:///pool.db", "sqlite:///pool.db#2"}
    assert numbers.pool("sqlite:///pool.db#2")["wait_time"] == 3


def test_engines_that_share_a_pool_are_one_pool(make: Make, numbers: Numbers) -> None:
    """Counted once, whoever of them asks."""
    first = make(pool_size=2)
    second = sqlalchemy.create_engine("sqlite://", pool=first.pool)
    with first.connect(), second.connect():
        assert recorded(numbers) == reported(first) == {"used": 2, "idle": 0, "overflow": 0}
    assert recorded(numbers) == reported(second) == {"used": 0, "idle": 2, "overflow": 0}
    assert numbers.pool()["max"] == 12


def test_names_hold_no_password_and_a_given_one_is_kept(numbers: Numbers) -> None:
    """Host, port and database are told, users and passwords never."""
    pytest.importorskip("psycopg2")
    url = "postgresql+psycopg2://me:s3cret@db.example:5433/shop?application_name=x"
    engines = [sqlalchemy.create_engine(url), sqlalchemy.create_engine(url, pool_logging_name="p")]

    assert numbers.pools() == {"postgresql://db.example:5433/shop", "p"}
    assert "s3cret" not in "".join(map(str, numbers.series("db.client.connection.count")))
    del engines


def test_a_pool_without_an_engine_is_recorded_from_its_first_use(numbers: Numbers) -> None:
    """It goes by its class."""
    import sqlite3

    make: Any = lambda: sqlite3.connect(":memory:", check_same_thread=False)  # noqa: E731
    alone = pool.QueuePool(make)
    connection = alone.connect()
    assert numbers.pool("QueuePool")["used"] == 1
    connection.close()
    assert numbers.pool("QueuePool")["idle"] == 1
    alone.dispose()
    assert numbers.pool("QueuePool")["idle"] == 0


def test_engines_by_the_thousand_leave_nothing_behind(numbers: Numbers) -> None:
    """Engines, pools and dialects are collected, their figures taken back, names used again."""
    import tracemalloc
    import weakref

    def many(count: int) -> list[Any]:
        refs = []
        for number in range(count):
            engine = sqlalchemy.create_engine("sqlite://", poolclass=pool.QueuePool)
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
            if number % 50 == 0:
                refs += [weakref.ref(engine), weakref.ref(engine.pool), weakref.ref(engine.dialect)]
            engine.dispose()
        del engine, connection
        gc.collect()
        return refs

    gc.collect()
    others = {*_pools._names}, len(_pools.POOLS)  # of tests before
    many(300)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    refs = many(1_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert [ref() for ref in refs if ref() is not None] == []
    assert grown < 200_000
    assert ({*_pools._names}, len(_pools.POOLS)) == others
    assert sum(cells[0] for cells in numbers.series("db.client.connection.count").values()) == 0
    assert sum(cells[0] for cells in numbers.series("db.client.connection.max").values()) == 0
    assert len(numbers.pools()) <= _pools.MOST_NAMES + 1


def test_pools_beyond_the_hundredth_name_share_one(numbers: Numbers) -> None:
    """A tenant's database each would make as many series; their sum stays true."""
    engines = [
        sqlalchemy.create_engine(f"sqlite:///{number}.db", poolclass=pool.QueuePool, pool_size=1)
        for number in range(150)
    ]

    assert len(numbers.pools()) <= _pools.MOST_NAMES + 1
    assert sum(cells[0] for cells in numbers.series("db.client.connection.max").values()) == (
        150 * 11
    )
    del engines
