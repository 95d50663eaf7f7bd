"""A forked child inherits no numbers, and loses none however it ends."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.e2e.command import running, until

LOGS = "log_messages_total"


def test_forks_inherit_nothing_and_lose_nothing(tmp_path: Path) -> None:
    """Five before, one in each of four children, of which two exit hard and two are killed: 9."""
    command = ["sh", "-c", f"sleep 1000 | {sys.executable} forks.py"]
    with running(command, tmp_path) as run:
        until(lambda: b"forked" in run.output.read_bytes(), "the forks")
        until(lambda: run.scrape().total(LOGS, logger="forks") >= 9, "nine records")
        totals = {run.scrape().total(LOGS, logger="forks", level="warning") for _ in range(5)}

    assert totals == {9}


def test_process_pools_count_every_task_once(tmp_path: Path) -> None:
    """multiprocessing and ProcessPoolExecutor, forked and spawned, one task a child."""
    with running([sys.executable, "pools.py"], tmp_path) as run:
        until(lambda: b"done" in run.output.read_bytes(), "the pools' tasks")
        until(lambda: run.scrape().total(LOGS, logger="pools") >= 80, "80 records")
        total = run.scrape().total(LOGS, logger="pools")
        run.process.send_signal(signal.SIGINT)

    assert total == 80
