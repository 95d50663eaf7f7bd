"""FastAPI with three PostgreSQL queries a request, fifty rows in all: a realistic route."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.apps import peers

engine = create_async_engine(f"postgresql+psycopg://{os.environ['BENCH_POSTGRESQL']}")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        # Several servers start at once on one database; the last to come finds it there.
        await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS item (id int PRIMARY KEY, name text, cents int)")
        )
        await connection.execute(
            text(
                "INSERT INTO item SELECT n, 'item ' || n, n FROM generate_series(1, 1000) n"
                " ON CONFLICT DO NOTHING"
            )
        )
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
peers.instrument(app)


@app.get("/items")
async def items() -> list[dict[str, str | int]]:
    async with engine.connect() as connection:
        first = await connection.execute(text("SELECT name FROM item WHERE id = 7"))
        total = await connection.execute(text("SELECT count(*) FROM item WHERE cents < 100"))
        page = await connection.execute(text("SELECT id, name FROM item ORDER BY id LIMIT 48"))
        return [
            {"first": first.scalar_one(), "total": total.scalar_one()},
            *({"id": row.id, "name": row.name} for row in page),
        ]
