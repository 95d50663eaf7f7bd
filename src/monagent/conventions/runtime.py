"""The interpreter at work: garbage collection, and event loops of asyncio.

https://opentelemetry.io/docs/specs/semconv/runtime/cpython-metrics/ for the counters; it has no
name yet for pauses and loops.
"""

from __future__ import annotations

from monagent.metrics import Counter, Histogram, UpDownCounter, cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Recorder = Callable[[float], None]

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

_generations: dict[int, tuple[Recorder, Recorder, Recorder, Recorder]] = cache()


def collected(generation: int, objects: int, uncollectable: int, seconds: float) -> None:
    """A garbage collection has ended."""
    try:
        recorders = _generations[generation]
    except KeyError:
        recorders = _generations[generation] = (
            COLLECTIONS.bind(generation),
            COLLECTED.bind(generation),
            UNCOLLECTABLE.bind(generation),
            PAUSE.bind(generation),
        )
    recorders[0](1)
    recorders[1](objects)
    recorders[2](uncollectable)
    recorders[3](seconds)


def delayed(seconds: float) -> None:
    """A callback of an event loop came so late."""
    DELAY.bind()(seconds if seconds > 0 else 0.0)


def tasks(more: int) -> None:
    """So many tasks more than before, in one of the event loops."""
    TASKS.bind()(more)
