"""Programs that use databases come out the same with monagent as without, on every stream."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.launch import oracle
from tests.services.postgres import Server

PROGRAMS = Path(__file__).parent / "programs"
SILENT = {"MONAGENT_EXPORTER": "off", "PYTHONHASHSEED": "0"}


def outcome(mode: str, program: str, **environ: str) -> tuple[int, str, str]:
    """Exit code and streams, times and addresses left out."""
    command = [sys.executable, "-W", "default", str(PROGRAMS / program)]
    done = oracle.run(mode, command, environ={**SILENT, **environ})
    clean = re.compile(r"0x[0-9a-f]+|\d+\.\d+s")
    return done.code, clean.sub("…", done.stdout.decode()), clean.sub("…", done.stderr.decode())


def test_sqlalchemy_shows_nothing_of_being_watched() -> None:
    """Logs, order of events, errors, their tails and pickles, types and signatures."""
    bare = outcome(oracle.BARE, "sqlalchemy_facts.py")
    watched = outcome(oracle.RUN, "sqlalchemy_facts.py")

    assert bare[0] == 0, bare[2]
    assert watched[1].splitlines() == bare[1].splitlines()
    assert watched == bare


def test_drivers_show_nothing_of_being_watched(postgres: Server) -> None:
    """psycopg, its pool and sqlite3: results, errors, generators, coroutines, introspection."""
    pytest.importorskip("psycopg_pool")
    bare = outcome(oracle.BARE, "driver_facts.py", DATABASE=postgres.dsn)
    watched = outcome(oracle.RUN, "driver_facts.py", DATABASE=postgres.dsn)

    assert bare[0] == 0, bare[2]
    assert watched[1].splitlines() == bare[1].splitlines()
    assert watched == bare
