"""One SQLAlchemy Core query of one row: on PostgreSQL if there is one, else on SQLite."""

from __future__ import annotations

import os

import sqlalchemy

from benchmarks.apps import loop

address = os.environ.get("BENCH_POSTGRESQL")
url = f"postgresql+psycopg://{address}" if address else "sqlite://"
engine = sqlalchemy.create_engine(url)
shops = sqlalchemy.Table(
    "shops",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("name", sqlalchemy.String(20)),
    prefixes=["TEMPORARY"],
)
query = sqlalchemy.select(shops).where(shops.c.id == 1)

with engine.connect() as connection:
    shops.create(connection, checkfirst=False)
    connection.execute(shops.insert(), {"id": 1, "name": "one"})
    loop.run(lambda: connection.execute(query).all())
