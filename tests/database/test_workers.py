"""Databases behind several processes: one endpoint, every statement once, no pool left over."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.e2e.command import running, until
from tests.ports import free_port
from tests.services.postgres import Server

PROGRAMS = Path(__file__).parent / "programs"
WORKERS = 4
COUNT = "db_client_operation_duration_seconds_count"


def ask(port: int, path: str = "/") -> int:
    """Sends one request; returns the pid of the worker that answered."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return int(answer.read())


def test_preloaded_workers_count_exactly_and_drop_their_pools(
    postgres: Server, tmp_path: Path
) -> None:
    """Counted before the fork, in four workers, and after one of them was killed."""
    pytest.importorskip("gunicorn")
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "--preload", "-b"]
    command += [f"127.0.0.1:{port}", "preloaded:app"]
    environ = {"DATABASE": postgres.url("psycopg")}
    with running(command, tmp_path, ready=port, environ=environ, cwd=PROGRAMS) as server:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            pids = set(pool.map(lambda turn: ask(port), range(100)))
            list(pool.map(lambda turn: ask(port, "/fail"), range(10)))
        until(lambda: server.scrape().total(COUNT) >= 231, "the statements")
        first = server.scrape()

        assert first.total(COUNT, db_operation_name="SELECT", db_namespace="postgres") == 121
        assert first.total(COUNT, db_operation_name="UPDATE") == 110
        assert first.total(COUNT, error_type="psycopg.errors.DivisionByZero") == 10
        assert len(postgres.statements("/* a request */")) == 110
        used = {"db_client_connection_state": "used"}
        assert first.total("db_client_connection_count", **used) == 0
        idle = first.total("db_client_connection_count", db_client_connection_state="idle")
        assert 1 <= idle <= 2 * (1 + WORKERS)

        os.kill(next(iter(pids)), signal.SIGKILL)

        def replaced() -> bool:
            try:
                return ask(port) not in pids
            except (OSError, HTTPException):  # The dead one had taken the connection.
                return False

        until(replaced, "the new worker")
        until(
            lambda: server.scrape().total("db_client_connection_max") == 2 * (1 + WORKERS),
            "the figures of five live processes, though six have lived",
        )
        after = server.scrape()
        assert after.total(COUNT) > first.total(COUNT)
        assert after.total("db_client_connection_timeouts_total") == 0
