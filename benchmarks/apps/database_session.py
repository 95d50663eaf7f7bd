"""What a request handler does: a session of its own, three ORM queries, on PostgreSQL."""

from __future__ import annotations

import os

import sqlalchemy
from sqlalchemy import orm

from benchmarks.apps import loop

engine = sqlalchemy.create_engine("postgresql+psycopg://" + os.environ["BENCH_POSTGRESQL"])


class Base(orm.DeclarativeBase):
    """Of the mapped classes."""


class Shop(Base):
    """A row."""

    __tablename__ = "shops"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]


def handle() -> None:
    """One request."""
    with orm.Session(engine) as session:
        for number in (1, 2, 3):
            session.scalars(sqlalchemy.select(Shop).where(Shop.id == number)).all()


with engine.begin() as connection:
    connection.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS shops (id int, name text)"))
loop.run(handle)
