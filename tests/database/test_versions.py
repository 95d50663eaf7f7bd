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
# SQLAlchemy 1.4.0 has no dialect for aiosqlite, lets a disposed StaticPool keep its connection,
# does not tell what runs beneath asyncio that its task was cancelled (until 1.4.5), and names what
# connections hold otherwise (until 1.4.24).
NOT_YET = ["async_pools_agree", "aiosqlite", "disposed_of and StaticPool"]
NOT_YET += ["a_cancelled_statement_counts", "sqlalchemy_shows_nothing"]
# psycopg 3.1.4, the oldest with wheels for the interpreter of CI, does not cancel what a task
# gives up, and tells of an error in a COPY by one of its own.
OTHERWISE = ["a_cancelled_statement_is", "failures_carry_state"]


@pytest.mark.slow
@older_than_the_interpreter
@pytest.mark.parametrize(
    ("pins", "files", "but"),
    [
        (["sqlalchemy[asyncio]==1.4.0"], ALL, NOT_YET),
        (["sqlalchemy[asyncio]>=1.4,<1.5", "aiosqlite==0.17.0"], ALL, []),
        (
            ["sqlalchemy[asyncio]>=2.0,<2.1", "psycopg[binary]", OTEL],
            [*ALL, "test_sqlalchemy_otel.py"],
            [],
        ),
        (["psycopg[binary]==3.1.4", "psycopg-pool==3.1.0"], DRIVER, OTHERWISE),
        (["psycopg[binary]>=3.1,<3.2", "psycopg-pool>=3.1,<3.2"], DRIVER, []),
        (["psycopg[binary]>=3.2,<3.3", "psycopg-pool>=3.2,<3.3"], DRIVER, []),
    ],
    ids=[
        *("sqlalchemy-1.4.0", "sqlalchemy-1.4", "sqlalchemy-2.0"),
        *("psycopg-3.1.4", "psycopg-3.1", "psycopg-3.2"),
    ],
)
def test_older_versions_are_recorded_alike(
    pins: list[str], files: list[str], but: list[str], tmp_path: Path
) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, *EVERYWHERE, *pins)
    # The very oldest releases warn of old interpreters' ways.
    others = ("-W", "default", "-k", f"not ({' or '.join(but)})") if but else ()
    passes(python, *others, *(str(HERE / file) for file in files))
