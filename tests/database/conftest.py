"""Recording into a directory of the test's own, and a PostgreSQL server for all of these tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monagent import metrics
from monagent.conventions import _pools
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.database.engines import Make
from tests.database.numbers import Numbers
from tests.services import postgres as postgres_service

LIBRARIES = ("sqlalchemy", "sqlite3", "aiosqlite", "psycopg", "psycopg_pool")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory."""
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def numbers(state: Path) -> Iterator[Numbers]:
    """What was recorded since the test began; libraries are watched until it ends."""
    gc.collect()  # Pools of the test before would keep their names.
    _pools._texts.clear()
    metrics.use(metrics.Recording(Shard(str(state))))
    hooks.modes[:] = [lambda library: "on" if library in LIBRARIES else "off"]
    hooks.install()
    yield Numbers(str(state))
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_service.Server]:
    """A PostgreSQL server; the tests share it, so each uses tables of its own."""
    with postgres_service.server() as server:
        yield server


@pytest.fixture
def make(numbers: Numbers, tmp_path: Path) -> Iterator[Make]:
    """Makes engines on a file; they are disposed of at the end."""
    import sqlalchemy
    from sqlalchemy import pool

    engines: list[Any] = []

    def make(**options: Any) -> Any:
        options.setdefault("poolclass", pool.QueuePool)
        engines.append(sqlalchemy.create_engine(f"sqlite:///{tmp_path}/pool.db", **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()
    engines.clear()
