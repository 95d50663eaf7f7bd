"""Uses the library named by the first argument in a way that fills every series it has."""

import os
import sys
import time


def use_sqlalchemy(dsn: str) -> None:
    """A statement on a table, one that fails, and a pool that says no."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        dsn, pool_size=1, max_overflow=0, pool_timeout=0.01, pool_logging_name="golden"
    )
    table = sqlalchemy.Table("pg_class", sqlalchemy.MetaData(), sqlalchemy.Column("relname"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.select(table).limit(1))
        try:
            connection.execute(sqlalchemy.text("SELECT 1/0"))
        except sqlalchemy.exc.DBAPIError:
            connection.rollback()
        try:
            engine.connect()
        except sqlalchemy.exc.TimeoutError:
            pass


def use_psycopg(dsn: str) -> None:
    """A statement, one that fails, and a pool."""
    import psycopg
    import psycopg_pool

    with psycopg_pool.ConnectionPool(dsn, min_size=1, open=True, name="golden") as pool:
        with pool.connection() as connection:
            try:
                connection.execute("SELECT 1/0")
            except psycopg.errors.DivisionByZero:
                connection.rollback()


def use_sqlite3(_: str) -> None:
    """A statement and one that fails."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("SELECT 1")
    try:
        connection.execute("SELEC 1")
    except sqlite3.OperationalError:
        pass


{"sqlalchemy": use_sqlalchemy, "psycopg": use_psycopg, "sqlite3": use_sqlite3}[sys.argv[1]](
    os.environ["DATABASE"]
)
time.sleep(3600)
