"""Names that settings may name, told without loading what they belong to.

What stands here beside libraries and conventions is held against them by tests.
"""

from __future__ import annotations

import os

SWITCHES = ("errors", "runtime")
"""What is recorded without any library, and switched as one is."""

BACK_ENDS = ("fastapi", "sqlalchemy")
"""Libraries that OpenTelemetry's instrumentor may record instead: those of the mode `otel`."""

FAMILIES = {
    "database": ("sqlite3", "sqlalchemy", "psycopg"),
    "http_client": ("requests", "httpx", "urllib3"),
    "http_workers": ("gunicorn", "uvicorn"),
    "jobs": ("celery",),
    "logs": ("logging",),
    "ratelimit": ("limits", "slowapi"),
    "realtime": ("websockets", "starlette"),
    "rpc": ("grpc", "botocore"),
}
"""Families of metrics, which are no names of libraries: some that record them."""


def libraries() -> list[str]:
    """Names that may be switched: the integrations on disk, and what belongs to no library."""
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        files = os.listdir(os.path.join(here, "integrations"))
    except OSError:
        files = []
    names = {name.removesuffix(".py") for name in files if not name.startswith("_")}
    return sorted(names.union(SWITCHES))


def hint(name: str, known: list[str]) -> str:
    """What follows on "expected names that …" where `name` is none."""
    if name in FAMILIES:
        return ", as " + ", ".join(FAMILIES[name])
    meant = nearest(name, known)
    return f"; did you mean {meant!r}?" if meant else ""


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that takes the fewest edits, if those are few."""
    best, fewest = None, 1 + len(name) // 4
    for candidate in known:
        if abs(len(candidate) - len(name)) > fewest:  # At least so many, without counting them.
            continue
        needed = edits(name, candidate)
        if needed <= fewest and (best is None or needed < fewest):
            best, fewest = candidate, needed
    return best


def edits(one: str, other: str) -> int:
    """How many letters make one name the other, put in, taken out or changed."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, letter_of_other in enumerate(other, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (letter != letter_of_other))
            before, row[j] = row[j], cost
    return row[len(other)]
