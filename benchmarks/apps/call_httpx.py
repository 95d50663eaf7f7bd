"""httpx: a GET of a client."""

from __future__ import annotations

import os

import httpx

from benchmarks.apps import loop

URL = os.environ["BENCH_HTTP"]
client = httpx.Client()


def call() -> str:
    return client.get(URL).text


loop.run(call)
