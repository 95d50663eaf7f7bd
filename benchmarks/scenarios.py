"""What is measured, as data: a new row is an entry here and, for a new program, a file in apps/."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks import variants
from benchmarks.variants import Variant

UVICORN = (
    sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}",
    "--no-access-log", "--log-level", "warning",
)  # fmt: skip
GUNICORN = (
    sys.executable, "-m", "gunicorn", "-w", "1", "-k", "gthread", "--threads", "4",
    "-b", "127.0.0.1:{port}", "--log-level", "warning",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load: CPU of its processes per request.

    Args:
        key: name for ONLY=…
        title: what a reader is told.
        command: starts it; `{port}` becomes a free port.
        path: what is asked for.
        requests: how many in one block, some tenths of a second.
        service: name of a server it needs ("postgresql"), whose address comes in BENCH_<NAME>.
    """

    key: str
    title: str
    command: tuple[str, ...]
    path: str
    requests: int
    rows: tuple[Variant, ...]
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A program that repeats one operation and prints its CPU seconds for each (see apps/loop.py).

    `times` is how often in one block; `family` the histogram that must count each on the endpoint,
    `beside` how many more it counts for setting up.
    """

    key: str
    title: str
    program: str
    times: int
    family: str
    beside: int = 0
    service: str | None = None
    rows: tuple[Variant, ...] = variants.LIBRARY


SERVERS = (
    Server(
        "hello", "FastAPI, hello world, uvicorn", (*UVICORN, "benchmarks.apps.fastapi_app:app"),
        "/", 3000, variants.FASTAPI,
    ),
    Server(
        "work", "FastAPI, 1.5 ms of work, uvicorn", (*UVICORN, "benchmarks.apps.fastapi_app:app"),
        "/work", 500, variants.FASTAPI,
    ),
    Server(
        "flask", "Flask, hello world, gunicorn", (*GUNICORN, "benchmarks.apps.flask_app:app"),
        "/", 2000, variants.WSGI,
    ),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = ()
