"""The functions that add to cells: one closure per series, the fastest thing that Python offers.

Each takes the value and returns nothing.  `mem[0]` is looked up at every call, since forks and
growth replace it.
"""

from __future__ import annotations

from bisect import bisect_left
from time import time

from monagent.store.shard import Asleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.store.shard import View

    Recorder = Callable[[float], None]


def adder(mem: list[View], index: int) -> Recorder:
    """For counters and up/down counters."""

    def add(value: float) -> None:
        mem[0][index] += value

    return add


def setter(mem: list[View], index: int) -> Recorder:
    """For gauges; the time of the change tells the exporter which process set it last."""
    changed = index + 1

    def set_to(value: float) -> None:
        view = mem[0]
        if isinstance(view, Asleep):
            view = view.shard.awake()
        view[index] = value
        view[changed] = time()

    return set_to


def observer(mem: list[View], index: int, bounds: tuple[float, ...]) -> Recorder:
    """For histograms: the sum, and the bucket whose upper edge is the first not below the value."""
    first = index + 1

    def record(value: float) -> None:
        view = mem[0]
        view[index] += value
        view[first + bisect_left(bounds, value)] += 1.0

    return record


def observer_of_extremes(mem: list[View], index: int, bounds: tuple[float, ...]) -> Recorder:
    """For histograms that also tell their smallest and largest value, as the SDK's do."""
    first = index + 1
    smallest = first + len(bounds) + 1
    largest = smallest + 1

    def record(value: float) -> None:
        view = mem[0]
        if isinstance(view, Asleep):
            view = view.shard.awake()
        if not any(view[first:smallest]):
            view[smallest] = view[largest] = value
        elif value < view[smallest]:
            view[smallest] = value
        elif value > view[largest]:
            view[largest] = value
        view[index] += value
        view[first + bisect_left(bounds, value)] += 1.0

    return record


def recorder(
    kind: str, mem: list[View], index: int, bounds: tuple[float, ...], minmax: bool
) -> Recorder:
    """The recorder for a series of `kind` whose cells begin at `index`."""
    if kind == "histogram":
        return (observer_of_extremes if minmax else observer)(mem, index, bounds)
    return (setter if kind == "gauge" else adder)(mem, index)
