"""The interpreter at work: garbage collection, and event loops of asyncio.

https://opentelemetry.io/docs/specs/semconv/runtime/cpython-metrics/ for the counters; it has no
name yet for pauses and loops.
"""

from __future__ import annotations

from monagent.metrics import Counter, Histogram, UpDownCounter, recording

GENERATION = "cpython.gc.generation"

PAUSES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
DELAYS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

COLLECTIONS = Counter(
    "cpython.gc.collections",
    unit="{collection}",
    help="Garbage collections, by generation.",
    labels=(GENERATION,),
)
COLLECTED = Counter(
    "cpython.gc.collected_objects",
    unit="{object}",
    help="Objects that garbage collections freed.",
    labels=(GENERATION,),
)
UNCOLLECTABLE = Counter(
    "cpython.gc.uncollectable_objects",
    unit="{object}",
    help="Objects that garbage collections found and could not free: they leak.",
    labels=(GENERATION,),
)
PAUSE = Histogram(
    "cpython.gc.duration",
    unit="s",
    help="Time for which a garbage collection stopped the program.",
    labels=(GENERATION,),
    buckets=PAUSES,
)
DELAY = Histogram(
    "asyncio.eventloop.delay",
    unit="s",
    help="How late event loops were for a callback that was due: something blocked them.",
    buckets=DELAYS,
)
TASKS = UpDownCounter(
    "asyncio.tasks",
    unit="{task}",
    help="Tasks of running event loops that are not done.",
)


def used() -> None:
    """This process ends: it says what CPU time it has used, which else is known as it was when the
    exporter last looked."""
    recording().shard.used()


def collected(generation: int, counts: tuple[int, int, int]) -> None:
    """There were so many garbage collections, objects they freed, and objects that leak."""
    collections, objects, uncollectable = counts
    COLLECTIONS.bind(generation)(collections)
    COLLECTED.bind(generation)(objects)
    UNCOLLECTABLE.bind(generation)(uncollectable)


def paused(generation: int, seconds: float) -> None:
    """A garbage collection took so long."""
    PAUSE.bind(generation)(seconds)


def delayed(seconds: float) -> None:
    """A callback of an event loop came so late."""
    DELAY.bind()(seconds if seconds > 0 else 0.0)


def tasks(more: int) -> None:
    """So many tasks more than before, in one of the event loops."""
    TASKS.bind()(more)
