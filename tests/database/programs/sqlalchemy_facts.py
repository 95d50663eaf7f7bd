"""Prints everything about SQLAlchemy that a program could notice a change of."""

import asyncio
import copy
import inspect
import logging
import pickle
import sqlite3
import sys
import traceback
from typing import Any

import sqlalchemy
from sqlalchemy import event, exc, orm, pool
from sqlalchemy.engine.base import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool.base import _ConnectionFairy, _ConnectionRecord

logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
for name in ("sqlalchemy.engine", "sqlalchemy.pool"):
    logging.getLogger(name).setLevel(logging.INFO)

metadata = sqlalchemy.MetaData()
table = sqlalchemy.Table(
    "things",
    metadata,
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("name", sqlalchemy.String(9), unique=True),
)


class Thing:
    """A mapped class."""


orm.registry().map_imperatively(Thing, table)

engine = sqlalchemy.create_engine(
    "sqlite://", poolclass=pool.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
)
ENGINE_EVENTS = """engine_connect begin commit rollback before_execute after_execute
    before_cursor_execute after_cursor_execute"""
POOL_EVENTS = "connect checkout checkin reset invalidate detach close"
for target, names in ((engine, ENGINE_EVENTS), (engine.pool, POOL_EVENTS)):
    for name in names.split():
        event.listen(target, name, lambda *args, told=name: print("event", told, len(args)))

with engine.begin() as connection:
    metadata.create_all(connection)
    connection.execute(table.insert(), [{"name": "a"}, {"name": "b"}])
    print(connection.execute(sqlalchemy.select(table)).all())
    print(connection.exec_driver_sql("select 1").scalar())

for statement in ("select * from nowhere", "insert into things (name) values ('a')"):
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))
    except exc.SQLAlchemyError as caught:
        error: Any = caught
        # A wrapper of a C function is in Python the innermost frame there is.
        frames = traceback.extract_tb(error.__traceback__)
        tail = [frame for frame in frames if "monagent/integrations" not in frame.filename][-1]
        print(type(error), error.args, type(error.orig), type(error.__cause__), tail.name)
        print(error.statement, error.params, error.hide_parameters, error.connection_invalidated)
        print(pickle.loads(pickle.dumps(error)).args)

with engine.connect() as held:
    try:
        engine.connect()
    except exc.TimeoutError as late:
        print(late, late.code, traceback.extract_tb(late.__traceback__)[-1].name)
    held.invalidate()
with engine.connect() as held:
    held.detach()
raw: Any = engine.raw_connection()
cursor = raw.cursor()
print(type(cursor) is sqlite3.Cursor, cursor.execute("select 2").fetchall())
print(type(raw.driver_connection) is sqlite3.Connection, type(raw).__mro__)
raw.close()
engine.dispose()
print(engine.pool.status())

with orm.Session(engine) as session:
    thing: Any = Thing()
    thing.name = "c"
    metadata.create_all(engine)
    session.add(thing)
    session.flush()
    print(pickle.loads(pickle.dumps(thing)).name, sorted(vars(copy.copy(thing))))

for function in (
    DefaultDialect.do_execute,
    DefaultDialect.do_executemany,
    DefaultDialect.do_execute_no_params,
    Engine.__init__,
    Engine.dispose,
    pool.QueuePool.dispose,
    _ConnectionFairy._checkout,
    _ConnectionFairy.detach,
    _ConnectionRecord.checkin,
):
    print(
        type(function).__name__,
        function.__qualname__,
        function.__module__,
        inspect.signature(function),
        inspect.getfullargspec(function),
        (function.__doc__ or "")[:40],
        inspect.iscoroutinefunction(function),
    )
print(sorted(name for name in vars(engine) if "monagent" in name))
print(sorted(name for name in vars(engine.pool) if "monagent" in name))
print(inspect.signature(sqlalchemy.create_engine))


async def use() -> None:
    """An asyncio engine, a statement and an error."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        print((await connection.execute(sqlalchemy.text("select 3"))).all())
        try:
            await connection.execute(sqlalchemy.text("select * from nowhere"))
        except exc.SQLAlchemyError as failed:
            print(type(failed), failed.args)
    await engine.dispose()


asyncio.run(use())
