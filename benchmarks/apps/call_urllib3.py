"""urllib3: a GET through a pool manager."""

from __future__ import annotations

import os

import urllib3

from benchmarks.apps import loop

URL = os.environ["BENCH_HTTP"]
manager = urllib3.PoolManager()


def call() -> bytes:
    return manager.request("GET", URL).data


loop.run(call)
