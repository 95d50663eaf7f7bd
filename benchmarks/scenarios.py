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
PLAIN = ("--loop", "asyncio", "--http", "h11")
"""What uvicorn has when nothing was installed for its speed."""
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
        connections: how many requests at a time; one where a request waits for another server,
            since how waits fall together would decide the CPU it takes.
    """

    key: str
    title: str
    command: tuple[str, ...]
    path: str
    requests: int
    rows: tuple[Variant, ...]
    service: str | None = None
    connections: int = 8


@dataclass(frozen=True, slots=True)
class Operation:
    """A program that repeats one operation and prints its CPU seconds for each (see apps/loop.py).

    `times` is how often in one block, `rounds` how many blocks a row has, each of a program of its
    own; `family` the histogram that must count each on the endpoint, `each` how many it counts for
    one, `beside` how many more for setting up.
    """

    key: str
    title: str
    program: str
    times: int
    family: str
    each: int = 1
    beside: int = 0
    service: str | None = None
    rows: tuple[Variant, ...] = variants.LIBRARY
    rounds: int = 9


SERVERS = (
    Server(
        "hello", "FastAPI, hello world, uvicorn",
        (*UVICORN, *PLAIN, "benchmarks.apps.fastapi_app:app"), "/", 3000, variants.FASTAPI,
    ),
    Server(
        "hello-uvloop", "FastAPI, hello world, uvicorn with uvloop and httptools",
        (*UVICORN, "benchmarks.apps.fastapi_app:app"), "/", 3000, variants.FASTAPI,
    ),
    Server(
        "work", "FastAPI, 1.5 ms of work, uvicorn", (*UVICORN, "benchmarks.apps.fastapi_app:app"),
        "/work", 500, variants.FASTAPI,
    ),
    Server(
        "flask", "Flask, hello world, gunicorn", (*GUNICORN, "benchmarks.apps.flask_app:app"),
        "/", 2000, variants.WSGI,
    ),
    Server(
        "flask-one", "Flask, hello world, gunicorn, one request at a time",
        (*GUNICORN, "benchmarks.apps.flask_app:app"), "/", 2000, variants.FEW, connections=1,
    ),
    Server(
        "django", "Django, hello world, gunicorn", (*GUNICORN, "benchmarks.apps.django_app:app"),
        "/", 2000, variants.FEW,
    ),
    Server(
        "aiohttp", "aiohttp.web, hello world",
        (sys.executable, "-m", "benchmarks.apps.aiohttp_app", "{port}"), "/", 3000, variants.ALONE,
    ),
    Server(
        "realistic", "FastAPI, three PostgreSQL queries, uvicorn",
        (*UVICORN, "benchmarks.apps.fastapi_postgresql:app"),
        "/items", 400, variants.FASTAPI, service="postgresql", connections=1,
    ),
)  # fmt: skip

CALLS = "http_client_request_duration_seconds"
DATABASE = "db_client_operation_duration_seconds"
CLIENTS = 27
"""Programs of each row of HTTP clients, which differ by more than is added to them."""

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "sqlalchemy", "SQLAlchemy, one query, SQLite",
        "database_sqlalchemy", 5000, DATABASE, beside=2,
    ),
    Operation(
        "sqlalchemy-postgresql", "SQLAlchemy, one query, PostgreSQL",
        "database_sqlalchemy", 2000, DATABASE, beside=2, service="postgresql",
    ),
    Operation(
        "session", "SQLAlchemy, a session with three ORM queries, PostgreSQL",
        "database_session", 500, DATABASE, each=3, beside=1, service="postgresql",
    ),
    Operation(
        "psycopg", "psycopg, one query", "database_psycopg", 3000, DATABASE, service="postgresql",
    ),
    Operation("sqlite3", "sqlite3, one query", "database_sqlite3", 20000, DATABASE),
    Operation(
        "requests", "requests, one call",
        "call_requests", 1000, CALLS, service="http", rounds=CLIENTS,
    ),
    Operation(
        "urllib3", "urllib3, one call",
        "call_urllib3", 2500, CALLS, service="http", rounds=CLIENTS,
    ),
    Operation(
        "httpx", "httpx, one call", "call_httpx", 1000, CALLS, service="http", rounds=CLIENTS,
    ),
    Operation(
        "httpx-async", "httpx, one call, asynchronous",
        "call_httpx_async", 1000, CALLS, service="http", rounds=CLIENTS,
    ),
    Operation(
        "aiohttp-client", "aiohttp, one call of its client",
        "call_aiohttp", 2000, CALLS, service="http", rows=variants.ALONE, rounds=CLIENTS,
    ),
    Operation(
        "celery", "Celery, a task sent and run in one process",
        "celery_task", 2000, "job_execution_duration_seconds",
    ),
)  # fmt: skip
