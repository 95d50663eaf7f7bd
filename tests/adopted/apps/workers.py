"""Counts by both libraries over processes that end in every way, and prints its own numbers."""

import os
import signal
import tempfile

os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()
os.environ["PROMETHEUS_DISABLE_CREATED_SERIES"] = "1"

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

# It reads both when it is imported.
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

ORDERS = Counter("orders", "Orders.", ["shop"])
SIZES = Histogram("order_size_bytes", "Sizes.", buckets=(10, 100))
TIMES = Summary("order_seconds", "Times.")
WORKERS = Gauge("order_workers", "Workers.", multiprocess_mode="livesum")
HIGHEST = Gauge("order_highest", "Highest.", multiprocess_mode="max")

METER = metrics.get_meter("shop", "1.2")
VISITS = METER.create_counter("visits", "{visit}", "Visits.")
STAYED = METER.create_histogram("stayed", "s", "Time of visits.")


def work(rounds: int) -> None:
    """Orders, so many for each shop."""
    for number in range(rounds):
        ORDERS.labels("north").inc()
        ORDERS.labels("south").inc(0.5)
        SIZES.observe(number)
        TIMES.observe(0.25)
        VISITS.add(1, {"page": "home"})
        STAYED.record(number)
    HIGHEST.set(rounds)


def main() -> None:
    """Some before the forks, then workers one after the other."""
    WORKERS.inc(2)
    work(5)
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
    work(5)
    for number in range(6):
        if os.fork() == 0:
            work(20 + number)
            if number % 3 == 0:
                os._exit(0)
            if number % 3 == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            raise SystemExit
        os.wait()
    HIGHEST.set(7)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the package's
    print(generate_latest(registry).decode(), end="", flush=True)
    data = reader.get_metrics_data()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
        for point in metric.data.data_points:
            print("#", metric.name, point.attributes, getattr(point, "value", None))


main()
