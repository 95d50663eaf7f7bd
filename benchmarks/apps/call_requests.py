"""requests: a GET in a session."""

from __future__ import annotations

import os

import requests

from benchmarks.apps import loop

URL = os.environ["BENCH_HTTP"]
session = requests.Session()


def call() -> str:
    return session.get(URL).text


loop.run(call)
