"""Parents that look after no worker, uvicorn's before 0.30 and hypercorn's before 0.15: see
test_versions.py, which runs this."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.workers.serving import SECONDS, serving

BIND = ("--log-level", "warning", "plain:asgi")


def test_uvicorns_workers_are_counted_though_nobody_replaces_them(tmp_path: Path) -> None:
    """One is killed; the others end with the parent."""
    with serving("uvicorn", tmp_path, "--workers", "3", "--port", "{port}", *BIND) as server:
        server.becomes(3, 3)
        os.kill(server.ask(), signal.SIGKILL)
        server.becomes(2, 3, killed=1)
        server.signal(signal.SIGTERM)
        server.process.wait(SECONDS)

        server.becomes(0, 3, killed=1, exit=2)


def test_hypercorns_workers_are_told_at_the_latest_when_it_ends(tmp_path: Path) -> None:
    """It ends by itself when it has no worker any more."""
    with serving("hypercorn", tmp_path, "-w", "2", "-b", "127.0.0.1:{port}", *BIND) as server:
        server.becomes(2, 2)
        for worker in server.children():
            os.kill(worker, signal.SIGKILL)
        server.process.wait(SECONDS)

        server.becomes(0, 2, killed=2)


def test_hypercorns_workers_that_end_in_order_are_told(tmp_path: Path) -> None:
    """It waits for them when it is told to end."""
    with serving("hypercorn", tmp_path, "-w", "2", "-b", "127.0.0.1:{port}", *BIND) as server:
        server.becomes(2, 2)
        server.signal(signal.SIGTERM)
        server.process.wait(SECONDS)

        server.becomes(0, 2, exit=2)
