"""However many workers are recycled, files, disk and scrape stay in proportion to the living."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from pathlib import Path

from tests.e2e.command import Running, running, until

WORKERS = int(os.environ.get("MONAGENT_SOAK_WORKERS", "200"))
FIRST = WORKERS // 10


def test_state_is_in_proportion_to_living_processes(tmp_path: Path) -> None:
    """Recycled workers leave their numbers in the total, no files and no longer scrape."""
    state, go_on = tmp_path / "state", tmp_path / "go-on"
    code = (
        "import logging, os, sys, time\n"
        "log = logging.getLogger('many'); log.addHandler(logging.NullHandler())\n"
        "def recycle(workers):\n"
        "    for _ in range(workers):\n"
        "        pid = os.fork()\n"
        "        if pid == 0:\n"
        "            log.warning('counted'); os._exit(0)\n"
        "        os.waitpid(pid, 0)\n"
        f"recycle({FIRST}); print('first', flush=True)\n"
        f"while not os.path.exists({str(go_on)!r}): time.sleep(0.1)\n"
        f"recycle({WORKERS - FIRST}); print('done', flush=True)\n"
        "time.sleep(1000)\n"
    )
    environ = {"MONAGENT_DIR": str(state)}
    with running([sys.executable, "-c", code], tmp_path, environ=environ) as run:
        until(lambda: b"first" in run.output.read_bytes(), "the first workers")
        until(lambda: len(list(state.glob("*.shard"))) <= 1, "the folding of the first")
        before, took_before = scraped(run)
        go_on.touch()
        until(lambda: b"done" in run.output.read_bytes(), "the last worker")
        until(lambda: len(list(state.glob("*.shard"))) <= 1, "the folding of the dead")
        after, took_after = scraped(run)
        total = run.scrape().total("log_messages_total", logger="many")
        size = 0
        for file in state.iterdir():
            with contextlib.suppress(FileNotFoundError):  # one that takes another's name
                size += file.stat().st_size

    print(
        f"{WORKERS} workers: {size} bytes, {after} lines; {took_after / took_before:.2f} the time"
    )
    assert total == WORKERS
    assert size < 2_000_000
    assert after - before < WORKERS // 2  # Some series come late; none comes with each worker.
    assert took_after < 5 * took_before


def scraped(run: Running) -> tuple[int, float]:
    """Lines of the endpoint's answer, and how long one takes: the middle of 21, in seconds."""
    took, lines = [], 0
    for _ in range(21):
        began = time.perf_counter()
        lines = run.text().count("\n")
        took.append(time.perf_counter() - began)
    return lines, statistics.median(took)
