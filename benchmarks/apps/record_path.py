"""One way of recording, repeated; `python -m benchmarks.apps.record_path WAY TIMES` prints seconds.

All record a duration under four labels into fourteen buckets, the labels resolved once where the
way allows that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

EDGES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LABELS = ("http.request.method", "url.scheme", "http.route", "http.response.status_code")
VALUES = ("GET", "http", "/products/{id}", "200")
Record = Callable[[float], object]


def bound_cell() -> Record:
    """monagent as its integrations use it."""
    record: Record = _histogram().bind(*VALUES)
    return record


def bound_counter() -> Record:
    """monagent's counter."""
    from monagent.metrics import Counter

    return Counter("bench.count", help="For the benchmark.", labels=LABELS).bind(*VALUES)


def looked_up() -> Record:
    """monagent, labels looked up at every call."""
    record = _histogram().record
    return lambda value: record(value, *VALUES)


def through_api() -> Record:
    """monagent behind the OpenTelemetry API, as an instrumentor uses it."""
    from monagent.metrics.provider import MeterProvider

    histogram = MeterProvider().get_meter("bench").create_histogram("bench.duration", "s")
    attributes = dict(zip(LABELS, VALUES, strict=True))
    return lambda value: histogram.record(value, attributes)


def sdk() -> Record:
    """The OpenTelemetry SDK."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    provider = MeterProvider([InMemoryMetricReader()])
    histogram = provider.get_meter("bench").create_histogram("bench.duration", "s")
    attributes = dict(zip(LABELS, VALUES, strict=True))
    return lambda value: histogram.record(value, attributes)


def prometheus_child() -> Record:
    """prometheus_client, its child kept; with PROMETHEUS_MULTIPROC_DIR its multiprocess mode."""
    from prometheus_client import Histogram

    names = [label.replace(".", "_") for label in LABELS]
    return Histogram("bench_duration", "Time.", names, buckets=EDGES).labels(*VALUES).observe


def _histogram() -> Any:
    from monagent.metrics import Histogram

    return Histogram(
        "bench.duration", unit="s", help="For the benchmark.", labels=LABELS, buckets=EDGES
    )


def main(way: str, times: int) -> None:
    record: Record = globals()[way]()
    for _ in range(times // 10):
        record(0.02)
    values = [0.002, 0.02, 0.2, 0.03] * (times // 4)
    begun = time.process_time()
    for value in values:
        record(value)
    used = time.process_time() - begun
    begun = time.process_time()
    for _value in values:
        pass
    print((used - (time.process_time() - begun)) / len(values))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
