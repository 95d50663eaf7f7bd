"""A realistic route: a session, three PostgreSQL queries, fifty rows, mapped and validated."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.apps import peers

engine = create_async_engine(f"postgresql+psycopg://{os.environ['BENCH_POSTGRESQL']}")
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """Of the mapped classes."""


class Item(Base):
    """A row."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    cents: Mapped[int]


class Shown(BaseModel):
    """An item as the API gives it."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    cents: int


class Page(BaseModel):
    """The answer."""

    first: Shown
    total: int
    items: list[Shown]


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        # Several servers start at once on one database; the last to come finds it there.
        await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            text(
                "INSERT INTO items SELECT n, 'item ' || n, n FROM generate_series(1, 1000) n"
                " ON CONFLICT DO NOTHING"
            )
        )
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
peers.instrument(app)


@app.get("/items", response_model=Page)
async def items(database: AsyncSession = Depends(session)) -> dict[str, Any]:  # noqa: B008
    return {
        "first": await database.get_one(Item, 7),
        "total": await database.scalar(
            select(func.count()).select_from(Item).where(Item.cents < 100)
        ),
        "items": (await database.scalars(select(Item).order_by(Item.id).limit(48))).all(),
    }
