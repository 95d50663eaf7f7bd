"""Eight processes with the same N lines of histograms; arguments: KIND LINES PORT.

KIND is monagent (its exporter serves), prometheus_client (its multiprocess mode; the parent serves)
or sdk (OpenTelemetry's Prometheus exporter, which knows one process only). Every process records in
every series once a second, so that no scrape can be answered from memory.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from benchmarks.apps.record_path import EDGES, LABELS

PROCESSES = 8
LINES_EACH = len(EDGES) + 3  # One per edge, +Inf, _sum, _count.
Record = Callable[[float], object]


def monagent(series: int) -> list[Record]:
    import sqlite3  # noqa: F401  A process records from the first library on that is watched.

    from monagent.metrics import Histogram

    made = Histogram("bench.duration", unit="s", help="Time.", labels=LABELS, buckets=EDGES)
    return [made.bind("GET", "http", f"/route/{n}", "200") for n in range(series)]


def prometheus_client(series: int) -> list[Record]:
    from prometheus_client import Histogram

    names = [label.replace(".", "_") for label in LABELS]
    made = Histogram("bench_duration", "Time.", names, buckets=EDGES)
    return [made.labels("GET", "http", f"/route/{n}", "200").observe for n in range(series)]


def sdk(series: int, port: int) -> list[Record]:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import start_http_server

    start_http_server(port, "127.0.0.1")
    meter = MeterProvider([PrometheusMetricReader()]).get_meter("bench")
    made = meter.create_histogram(
        "bench.duration", "s", explicit_bucket_boundaries_advisory=list(EDGES)
    )
    attributes = [
        dict(zip(LABELS, ("GET", "http", f"/route/{n}", "200"), strict=True)) for n in range(series)
    ]
    return [lambda value, one=one: made.record(value, one) for one in attributes]  # type: ignore[misc]


def main(kind: str, lines: int, port: int) -> None:
    series = max(1, lines // LINES_EACH)
    if kind == "sdk":
        keep_recording(sdk(series, port))
    for _ in range(PROCESSES):
        if os.fork() == 0:
            keep_recording(globals()[kind](series))
    if kind == "prometheus_client":
        from prometheus_client import CollectorRegistry, start_http_server
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # It has no types.
        start_http_server(port, "127.0.0.1", registry)
    signal.signal(signal.SIGTERM, end)
    signal.pause()


def keep_recording(records: list[Record]) -> None:
    while True:
        for record in records:
            record(0.02)
        time.sleep(1)


def end(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    sys.exit()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
