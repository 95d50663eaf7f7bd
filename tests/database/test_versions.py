"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
EVERYWHERE = ["pytest", "hypothesis", "aiosqlite", "asyncpg", "psycopg2-binary"]
ALL = [
    "test_pools.py",
    "test_pool_names.py",
    "test_sqlalchemy.py",
    "test_sqlalchemy_failures.py",
    "test_unchanged.py",
]
OTEL = "opentelemetry-instrumentation-sqlalchemy"
DRIVER = ["test_psycopg.py", "test_psycopg_pool.py"]


@pytest.mark.slow
@older_than_the_interpreter
@pytest.mark.parametrize(
    ("pins", "files"),
    [
        (["sqlalchemy[asyncio]>=1.4,<1.5"], ALL),
        (
            ["sqlalchemy[asyncio]>=2.0,<2.1", "psycopg[binary]", OTEL],
            [*ALL, "test_sqlalchemy_otel.py"],
        ),
        (["psycopg[binary]>=3.1,<3.2", "psycopg-pool>=3.1,<3.2"], DRIVER),
        (["psycopg[binary]>=3.2,<3.3", "psycopg-pool>=3.2,<3.3"], DRIVER),
    ],
    ids=["sqlalchemy-1.4", "sqlalchemy-2.0", "psycopg-3.1", "psycopg-3.2"],
)
def test_older_versions_are_recorded_alike(
    pins: list[str], files: list[str], tmp_path: Path
) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, *EVERYWHERE, *pins)
    passes(python, *(str(HERE / file) for file in files))
