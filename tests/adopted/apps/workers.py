"""Counts by prometheus_client over processes that end in every way, and prints its own text."""

import os
import signal
import tempfile

os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()
os.environ["PROMETHEUS_DISABLE_CREATED_SERIES"] = "1"

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


def work(rounds: int) -> None:
    """Orders, so many for each shop."""
    for number in range(rounds):
        ORDERS.labels("north").inc()
        ORDERS.labels("south").inc(0.5)
        SIZES.observe(number)
        TIMES.observe(0.25)
    HIGHEST.set(rounds)


def main() -> None:
    """Some before the forks, then workers one after the other."""
    WORKERS.inc(2)
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


main()
