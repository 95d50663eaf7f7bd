"""FastAPI: `/` answers at once, `/work` after 1.5 ms of computing."""

from __future__ import annotations

import time

from fastapi import FastAPI

from benchmarks.apps import peers

app = FastAPI()
peers.instrument(app)


@app.get("/")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@app.get("/work")
async def work() -> dict[str, str]:
    until = time.thread_time() + 0.0015
    while time.thread_time() < until:
        pass
    return {"hello": "world"}
