"""`make demo` for real, with less traffic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from monagent.demo.exposition import Histogram, parse, totals

REQUESTS = 120


def test_the_demo_records_what_it_sent_and_leaves_nothing(tmp_path: Path) -> None:
    """A table per kind of work, every request counted, no process and no file afterwards."""
    environ = {**os.environ, "TMPDIR": str(tmp_path), "DEMO_RUN": str(tmp_path)}
    demo = [sys.executable, "-m", "monagent.demo", "--requests", str(REQUESTS)]

    done = subprocess.run(
        demo, env=environ, capture_output=True, text=True, timeout=240, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    # Of twelve requests, one asks for a price in euros and one for one that does not exist.
    calls = REQUESTS // 6
    told = f"{REQUESTS} requests sent and {calls} calls of the shop to itself are"
    assert f"{told} {REQUESTS + calls}; recorded: {REQUESTS + calls + 1}," in done.stdout
    for title in ("HTTP requests", "Database queries", "Outbound calls", "Jobs"):
        assert f"\n{title}\n" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert _carrying(f"DEMO_RUN={tmp_path}") == []


def _carrying(entry: str) -> list[str]:
    """Command lines of processes with this entry in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if entry.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def test_quantiles_are_those_of_histogram_quantile() -> None:
    """Interpolated inside the bucket; +Inf is answered with the highest finite edge."""
    one = Histogram(4, {0.1: 1.0, 0.2: 3.0, 1.0: 3.0, float("inf"): 4.0})

    assert one.quantile(0.25) == 0.1
    assert one.quantile(0.5) == 0.1 + 0.1 * (2 - 1) / 2
    assert one.quantile(0.95) == 1.0


def test_escapes_and_labels_of_an_exposition_are_understood() -> None:
    """Quotes, backslashes and line ends inside of label values, braces too."""
    text = '# HELP a b\na_total{x="q\\"{}\\\\\\n",y=""} 2.0\na_total{x="z"} 1e3\na_total 5\n'

    samples = list(parse(text))

    assert totals(samples, "a_total", ("x",)) == {('q"{}\\\n',): 2.0, ("z",): 1000.0, ("",): 5.0}
