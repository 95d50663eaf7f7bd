"""A FastAPI application as anybody would write it."""

import os

from fastapi import FastAPI, HTTPException

app = FastAPI()


@app.get("/hello/{name}")
async def hello(name: str) -> dict[str, str]:
    return {"hello": name}


@app.get("/pid")
def pid() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.get("/missing")
async def missing() -> None:
    raise HTTPException(404)


@app.get("/boom")
async def boom() -> None:
    raise RuntimeError("boom")
