"""However many workers are recycled, files, disk and scrape stay in proportion to the living."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from tests.e2e.command import running, until

WORKERS = int(os.environ.get("MONAGENT_SOAK_WORKERS", "200"))


def test_state_is_in_proportion_to_living_processes(tmp_path: Path) -> None:
    """Recycled workers leave their numbers in the total and no files."""
    state = tmp_path / "state"
    code = (
        "import logging, os, sys, time\n"
        "log = logging.getLogger('many'); log.addHandler(logging.NullHandler())\n"
        f"for _ in range({WORKERS}):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        log.warning('counted'); os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "print('done', flush=True)\n"
        "time.sleep(1000)\n"
    )
    environ = {"MONAGENT_DIR": str(state)}
    with running([sys.executable, "-c", code], tmp_path, environ=environ) as run:
        until(lambda: b"done" in run.output.read_bytes(), "the last worker")
        until(lambda: len(list(state.glob("*.shard"))) <= 1, "the folding of the dead")
        total = run.scrape().total("log_messages_total", logger="many")
        size = 0
        for file in state.iterdir():
            with contextlib.suppress(FileNotFoundError):  # one that takes another's name
                size += file.stat().st_size

    assert total == WORKERS
    assert size < 2_000_000
