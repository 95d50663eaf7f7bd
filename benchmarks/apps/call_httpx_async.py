"""httpx: a GET of an asynchronous client."""

from __future__ import annotations

import os

import httpx

from benchmarks.apps import loop

URL = os.environ["BENCH_HTTP"]
client = httpx.AsyncClient()


async def call() -> str:
    return (await client.get(URL)).text


loop.run_async(call)
