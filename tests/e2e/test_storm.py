"""Forks, threads, new series and scrapes all at once: nobody hangs, and the totals are exact."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.e2e.command import Scrape, running, until

LOGS = "log_messages_total"


def test_a_fork_storm_under_scrape_hangs_nobody(tmp_path: Path) -> None:
    """500 forks while four threads record: each child counted once, each thread exactly."""
    seen: list[Scrape] = []
    with running([sys.executable, "storm.py"], tmp_path) as run:

        def over() -> bool:
            seen.append(run.scrape())
            return b"end" in run.output.read_bytes()

        until(over, "the end of the storm", 240)
        found = re.search(rb"told (\d+) slowest ([\d.]+) end", run.output.read_bytes())
        assert found is not None
        told = int(found[1])
        until(lambda: run.scrape().total(LOGS, level="error") >= 500, "500 children")
        last = run.scrape()
    children = [scrape.total(LOGS, level="error") for scrape in [*seen, last]]

    assert children == sorted(children)
    assert children[-1] == 500
    assert last.total(LOGS, level="warning") == told
    # A child that waits for a lock nobody can release waits for ever, not for seconds.
    assert float(found[2]) < 60
