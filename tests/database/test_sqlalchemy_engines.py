"""SQLAlchemy's engines as applications make them, with options, drivers and defaults of theirs."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import sqlalchemy

from monagent.conventions import database
from monagent.conventions._names import Names
from tests.database.engines import Make
from tests.database.numbers import Numbers


def test_an_engine_takes_every_option_that_it_has(numbers: Numbers) -> None:
    """`create_engine` looks them up in the code of `Engine.__init__`, not in its signature."""
    engine = sqlalchemy.create_engine(
        "sqlite://",
        echo=False,
        logging_name="shop",
        query_cache_size=7,
        hide_parameters=True,
        execution_options={"stream_results": True},
    )

    assert (engine.logging_name, engine.hide_parameters) == ("shop", True)
    assert engine.get_execution_options() == {"stream_results": True}
    with pytest.raises(TypeError, match=r"Invalid argument\(s\) 'nonsense'"):
        sqlalchemy.create_engine("sqlite://", nonsense=1)
    with pytest.raises(TypeError, match=r"missing 3 required positional .*'pool', 'dialect', and"):
        sqlalchemy.engine.Engine()  # type: ignore[call-arg]
    engine.dispose()


def test_a_key_that_the_database_makes_first_is_a_query_of_its_own(
    make: Make, numbers: Numbers
) -> None:
    """SQLAlchemy asks for it before it knows the statement that it is for."""
    query = sqlalchemy.text("(SELECT abs(random()))")
    keyed = sqlalchemy.Table(
        "keyed",
        sqlalchemy.MetaData(),
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True, default=query),
        sqlalchemy.Column("name", sqlalchemy.String, unique=True),
        implicit_returning=False,
    )
    with make().begin() as connection:
        connection.execute(sqlalchemy.schema.CreateTable(keyed))
        for name in "abc":
            connection.execute(keyed.insert(), {"name": name})

    assert numbers.operations() == {"CREATE keyed": 1, "SELECT": 3, "INSERT keyed": 3}


@pytest.mark.parametrize("form", ["/* shop */ {}", "{} /* shop */", "-- shop\n{}"])
def test_a_comment_that_a_listener_adds_hides_no_table(
    form: str, make: Make, numbers: Numbers
) -> None:
    """sqlcommenter tells the database so which request a statement is of."""
    noted = sqlalchemy.Table(
        "noted",
        sqlalchemy.MetaData(),
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    )
    engine = make()

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute", retval=True)
    def comment(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return form.format(statement), parameters

    with engine.begin() as connection:
        connection.execute(sqlalchemy.schema.CreateTable(noted))
        for number in 1, 2:
            connection.execute(noted.insert(), {"id": number})
            connection.execute(sqlalchemy.select(noted)).all()
        connection.execute(noted.insert(), [{"id": 3}, {"id": 4}])

    assert numbers.operations() == {"CREATE noted": 1, "INSERT noted": 3, "SELECT noted": 2}


def test_a_statement_that_a_listener_rewrites_at_times_is_known_by_what_is_sent(
    make: Make, numbers: Numbers
) -> None:
    """Each execution by its own text, whichever was first."""
    plans = sqlalchemy.Table(
        "plans",
        sqlalchemy.MetaData(),
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    )
    engine = make()
    sent: list[str] = []

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute", retval=True)
    def explain(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        sent.append(statement)
        explained = len(sent) % 3 == 2 and statement.startswith("SELECT")
        return f"EXPLAIN {statement}" if explained else statement, parameters

    with engine.begin() as connection:
        connection.execute(sqlalchemy.schema.CreateTable(plans))
        for _ in range(9):
            connection.execute(sqlalchemy.select(plans)).close()

    assert numbers.operations() == {"CREATE plans": 1, "EXPLAIN plans": 3, "SELECT plans": 6}


def test_a_driver_may_be_a_double(numbers: Numbers) -> None:
    """`module` takes any object that has what is used of a driver."""
    engine = sqlalchemy.create_engine("mysql+pymysql://", module=mock.MagicMock())

    assert engine.dialect.dbapi is not None
    assert numbers.pools() == {"mysql:///"}


def test_a_dialect_may_be_called_with_a_context_of_ones_own(make: Make, numbers: Numbers) -> None:
    """One that knows no compiled statement; what is executed is known by its text."""
    engine = make()
    connection = engine.raw_connection()
    cursor = connection.cursor()
    engine.dialect.do_execute(cursor, "SELECT 5", (), object())

    assert cursor.fetchall() == [(5,)]
    assert numbers.operations() == {"SELECT": 1}
    connection.close()


def filled(make: Make, *names: str) -> None:
    """A table of each name, made and filled."""
    with make().begin() as connection:
        for name in names:
            column = sqlalchemy.Column("id", sqlalchemy.Integer)
            table = sqlalchemy.Table(name, sqlalchemy.MetaData(), column)
            connection.execute(sqlalchemy.schema.CreateTable(table))
            connection.execute(table.insert(), {"id": 1})


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("in_9f86d081884c7d659a2feaa0c55ad015", "in_9f86d081884c4d659a2feaa0c55ad016"), "in_{id}"),
        (("in_189948f3_3c8e_4f2b_9d6a_0c1f5b7e2a11",), "in_{id}"),
        (("day_2026_11_23", "day_20261123", "day_2026-11-23"), "day_{id}"),
        (("shop_31337_orders", "shop_4711042_orders"), "shop_{id}_orders"),
        (("_alembic_tmp_orders", "orders"), "orders"),
        (("orders_2026_11",), "orders_2026_11"),
        (("tmp_orders1",), "tmp_orders1"),
    ],
)
def test_one_of_many_tables_is_named_as_the_others(
    names: tuple[str, ...], label: str, make: Make, numbers: Numbers
) -> None:
    """One for each import, tenant or day, and Alembic's copies."""
    filled(make, *names)

    assert numbers.operations() == {f"CREATE {label}": len(names), f"INSERT {label}": len(names)}


def test_tables_beyond_a_number_are_one(
    make: Make, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a program makes."""
    monkeypatch.setattr(database, "_collections", Names(2))
    filled(make, "of_ann", "of_bob", "of_cid", "of_dan")

    assert numbers.operations() == {
        "CREATE of_ann": 1, "CREATE of_bob": 1, "CREATE _OTHER": 2,
        "INSERT of_ann": 1, "INSERT of_bob": 1, "INSERT _OTHER": 2,
    }  # fmt: skip
