"""A scrape of 1,000, 10,000 and 100,000 lines held by 8 processes, and what it does to latency."""

from __future__ import annotations

import gzip
import math
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable

from benchmarks import scenarios
from benchmarks.apps import series
from benchmarks.load import Client
from benchmarks.processes import listening, running, wait_for
from benchmarks.report import progress, table
from benchmarks.variants import MONAGENT, Variant

LINES = (1_000, 10_000, 100_000)
SCRAPES = 7
MULTIPROCESS = Variant(
    "prometheus_client, multiprocess", environ={"PROMETHEUS_MULTIPROC_DIR": "{folder}"}
)
KINDS = (
    ("monagent", MONAGENT),
    ("prometheus_client", MULTIPROCESS),
    ("sdk", Variant("OpenTelemetry Prometheus exporter, one process")),
)
RATE = 200.0
WINDOW = 4.0
WINDOWS = 4


def measure() -> list[str]:
    """The tables."""
    rows = []
    for kind, variant in KINDS:
        cells = [variant.name]
        for lines in LINES:
            progress(f"scrapes, {variant.name}", LINES.index(lines) + 1, len(LINES))
            cells.append(f"{_scrape_time(kind, variant, lines) * 1e3:,.0f} ms")
        rows.append(tuple(cells))
    head = [f"{lines:,} lines" for lines in LINES]
    return [
        *table("Seconds until a scrape is answered, 8 processes", ("", *head), rows),
        *_latency(),
    ]


def _scrape_time(kind: str, variant: Variant, lines: int) -> float:
    """Seconds of a scrape in the median, once all processes have recorded every series."""
    command = (sys.executable, "-m", "benchmarks.apps.series", kind, str(lines), "{port}")
    with running(variant, command, {}) as program:
        if variant.ours:
            url = program.endpoint()
        else:
            listening(program.port)
            url = f"http://127.0.0.1:{program.port}/metrics"
        wanted = lines // series.LINES_EACH * (1 if kind == "sdk" else series.PROCESSES)
        wait_for(lambda: _counted(url) >= wanted, f"{wanted} values on {variant.name}")
        times = []
        for _ in range(SCRAPES):
            time.sleep(0.2)
            times.append(scrape(url)[0])
    return statistics.median(times)


def _counted(url: str) -> float:
    lines = scrape(url)[1].splitlines()
    counts = [line for line in lines if line.startswith("bench_duration") and "_count{" in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in counts)


def scrape(url: str) -> tuple[float, str]:
    """Seconds until the answer was complete, and the answer."""
    asked = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    begun = time.perf_counter()
    with urllib.request.urlopen(asked, timeout=120) as answer:
        body = answer.read()
        took = time.perf_counter() - begun
        packed = answer.headers.get("Content-Encoding") == "gzip"
    return took, (gzip.decompress(body) if packed else body).decode()


def _latency() -> list[str]:
    """p50 and p99 of an application of 8 workers with 100,000 lines, with and without scrapes."""
    command = (*scenarios.UVICORN, "--workers", "8", "benchmarks.apps.wide_app:app")
    found: dict[bool, list[float]] = {False: [], True: []}
    with running(MONAGENT, command, {"BENCH_LINES": str(LINES[-1])}) as program:
        listening(program.port)
        url = program.endpoint()
        wait_for(lambda: scrape(url)[1].count("\n") > LINES[-1] * 0.9, "100,000 lines")
        time.sleep(1)
        for window in range(2 * WINDOWS):
            progress("latency under scrapes", window + 1, 2 * WINDOWS)
            scraped = bool(window % 2)
            with Client(program.port, "/", 1) as client, _scraping(url, scraped):
                found[scraped] += client.latencies(WINDOW, RATE)
    return table(
        f"Latency of FastAPI, 8 workers, {RATE:.0f} requests a second",
        ("", "p50", "p99", "slowest"),
        (
            (name, *(f"{value * 1e3:.2f} ms" for value in _spread(found[scraped])))
            for name, scraped in (
                ("not scraped", False),
                ("scraped twice a second, 100,000 lines", True),
            )
        ),
    )


class _scraping:
    """Scrapes every half second in a thread of this process while it is entered."""

    def __init__(self, url: str, active: bool) -> None:
        self.url = url
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work) if active else None

    def _work(self) -> None:
        while not self.over.wait(0.5):
            scrape(self.url)

    def __enter__(self) -> None:
        if self.thread:
            self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread:
            self.thread.join()


def _spread(values: Iterable[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return (
        ordered[len(ordered) // 2],
        ordered[math.ceil(len(ordered) * 0.99) - 1],
        ordered[-1],
    )
