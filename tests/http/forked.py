"""Servers of several processes: each request counts once, whichever of them serves it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.command import until
from tests.ports import free_port, listening
from tests.recorded import counted

APPS = Path(__file__).parent / "apps"


def each_request_counts_once(arguments: Sequence[str], tmp_path: Path, least: int) -> None:
    """Asks /pid of what Python runs with these arguments and a port, until two processes have
    answered and there were so many requests."""
    port, state = free_port(), tmp_path / "state"
    command = [sys.executable, "-m", "monagent", "run", "--", sys.executable, *arguments, str(port)]
    environ = {**os.environ, "MONAGENT_DIR": str(state), "MONAGENT_EXPORTER": "off"}
    process = subprocess.Popen(command, env=environ, cwd=APPS, start_new_session=True)
    try:
        until(lambda: listening(port), "the server")
        served = []

        def by_both() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/pid", timeout=30) as answer:
                served.append(answer.read())
            return len(served) >= least and len(set(served)) > 1

        until(by_both, "an answer of each process")
        until(lambda: _requests(state) == len(served), "the last of them")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    assert _requests(state) == len(served)


def _requests(state: Path) -> float:
    return counted(state).total("http.server.request.duration", **{"http.route": "/pid"})
