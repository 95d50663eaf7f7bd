"""Tornado in several processes: `fork_processes`, as its documentation has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.command import until
from tests.ports import free_port, listening
from tests.recorded import counted

pytest.importorskip("tornado")

APPS = Path(__file__).parent / "apps"


def test_forked_servers_count_together(tmp_path: Path) -> None:
    """Of `fork_processes`: one shard for each, all requests in the total."""
    program = APPS / "tornado_forks.py"
    port = free_port()
    command = [sys.executable, "-m", "monagent", "run", "--", sys.executable, str(program)]
    environ = {**os.environ, "MONAGENT_DIR": str(tmp_path / "state"), "MONAGENT_EXPORTER": "off"}
    process = subprocess.Popen([*command, str(port)], env=environ)
    try:
        until(lambda: listening(port), "the server")
        served = []

        def by_both() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/pid", timeout=30) as answer:
                served.append(answer.read())
            return len(served) >= 40 and len(set(served)) > 1

        until(by_both, "an answer of each process")
        until(lambda: requests(tmp_path / "state") == len(served), "the last of them")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    assert requests(tmp_path / "state") == len(served)


def requests(state: Path) -> float:
    """All that were counted, in whichever process."""
    return counted(state).total("http.server.request.duration", **{"http.route": "/pid"})
