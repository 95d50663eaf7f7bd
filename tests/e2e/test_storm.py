"""Forks, threads, new series and scrapes all at once: nobody hangs, and the totals are exact."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.command import APPS, Scrape, running, until

LOGS = "log_messages_total"
TOLD = re.compile(rb"told (\d+) slowest ([\d.]+) end")


def alone() -> float:
    """The slowest child of a storm without monagent, in seconds."""
    command = [sys.executable, "storm.py", "0"]
    output = subprocess.check_output(command, cwd=APPS, timeout=240)
    told = TOLD.search(output)
    assert told is not None
    return float(told[2])


def test_a_fork_storm_under_scrape_hangs_nobody(tmp_path: Path) -> None:
    """500 forks while four threads record: each child counted once, each thread exactly."""
    seen: list[Scrape] = []
    with running([sys.executable, "storm.py", "1000"], tmp_path) as run:

        def over() -> bool:
            seen.append(run.scrape())
            return b"end" in run.output.read_bytes()

        until(over, "the end of the storm", 240)
        found = TOLD.search(run.output.read_bytes())
        assert found is not None
        told = int(found[1])
        until(lambda: run.scrape().total(LOGS, level="error") >= 500, "500 children")
        last = run.scrape()
    children = [scrape.total(LOGS, level="error") for scrape in [*seen, last]]

    assert children == sorted(children)
    assert children[-1] == 500
    assert last.total(LOGS, level="warning") == told
    assert float(found[2]) < 1 + 20 * alone()
