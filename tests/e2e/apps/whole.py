"""One application with everything: FastAPI, SQLAlchemy on PostgreSQL, httpx, Celery on Redis."""

import asyncio
import os
from typing import Any

import httpx
from celery import Celery
from fastapi import FastAPI, HTTPException
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

engine = create_engine(os.environ["WHOLE_DATABASE"], pool_size=2, max_overflow=1)
queue = Celery("whole", broker=os.environ["WHOLE_BROKER"])
queue.conf.task_ignore_result = True
queue.conf.worker_prefetch_multiplier = 1
app = FastAPI()
here = f"http://127.0.0.1:{os.environ['WHOLE_PORT']}"


@queue.task(name="work", bind=True, max_retries=1)  # type: ignore[untyped-decorator]  # no types
def work(self: Any, kind: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO worked (kind) VALUES (:kind)"), {"kind": kind})
    if kind == "failed":
        raise ValueError(kind)
    if kind == "retried" and not self.request.retries:
        raise self.retry(countdown=0)


@app.get("/peer/{status}")
async def peer(status: int, wait: float = 0) -> dict[str, int]:
    await asyncio.sleep(wait)
    if status != 200:
        raise HTTPException(status)
    return {"status": status}


@app.get("/rows")
def rows() -> int:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM worked /* rows */")).scalar_one()
    return int(found)


@app.get("/wrong")
def wrong() -> str:
    with engine.connect() as connection:
        try:
            connection.execute(text("SELECT nothing FROM worked /* wrong */"))
        except DBAPIError:
            return "wrong"
    return "right"


@app.get("/call/{status}")
async def call(status: int) -> int:
    async with httpx.AsyncClient(timeout=30) as client:
        return (await client.get(f"{here}/peer/{status}")).status_code


@app.get("/slow")
async def slow() -> str:
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, read=0.2)) as client:
        try:
            await client.get(f"{here}/peer/200?wait=2")
        except httpx.ReadTimeout:
            return "timed out"
    return "answered"


@app.post("/work/{kind}")
def enqueue(kind: str) -> str:
    work.delay(kind)
    return kind


def set_up() -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE worked (kind text)"))
