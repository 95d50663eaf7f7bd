"""aiohttp: a GET of a session."""

from __future__ import annotations

import os

import aiohttp

from benchmarks.apps import loop

URL = os.environ["BENCH_HTTP"]
sessions: list[aiohttp.ClientSession] = []


async def call() -> str:
    if not sessions:  # A session belongs to the loop that it is made in.
        sessions.append(aiohttp.ClientSession())
    async with sessions[0].get(URL) as answer:
        return await answer.text()


loop.run_async(call)
