"""The record path alone: CPU for one value, each way in processes of its own, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks.processes import ROOT, clean
from benchmarks.report import progress, table

ROUNDS = 7
TIMES = 200_000
MULTIPROCESS = "prometheus_child, multiprocess"
WAYS = {
    "bound_cell": "monagent, bound cell (what integrations use)",
    "bound_counter": "monagent, bound cell of a counter",
    "looked_up": "monagent, labels looked up at every call",
    "through_api": "monagent behind the OpenTelemetry API",
    "prometheus_child": "prometheus_client, labelled child",
    MULTIPROCESS: "prometheus_client, labelled child, multiprocess mode",
    "sdk": "opentelemetry-sdk",
}


def measure() -> list[str]:
    """The table."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(ROUNDS):
        progress("record path", turn + 1, ROUNDS)
        for way, times in found.items():
            times.append(_once(way))
    medians = {way: statistics.median(times) for way, times in found.items()}
    return table(
        "One value recorded in a histogram with four labels",
        ("", "CPU per value", "ratio to a bound cell"),
        (
            (WAYS[way], f"{median * 1e6:.2f} µs", f"{median / medians['bound_cell']:.1f}")
            for way, median in medians.items()
        ),
    )


def _once(way: str) -> float:
    environ = clean(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        if way == MULTIPROCESS:
            environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        command = [sys.executable, "-m", "benchmarks.apps.record_path", way.partition(",")[0]]
        done = subprocess.run(
            [*command, str(TIMES)],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)
