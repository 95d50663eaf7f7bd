"""The functions that add to cells: one closure per series, the fastest thing that Python offers.

Each takes the value and returns nothing.  `mem[0]` is looked up at every call, since forks and
growth replace it.  Between that and a write stands neither a call nor a branch that is taken:
CPython 3.10 to 3.15 switch threads and run signal handlers only at calls and jumps, so what is read
is still true when it is written, and a histogram's sum and bucket move as one.
"""

from __future__ import annotations

from bisect import bisect_left

from monagent.clock import time
from monagent.store.asleep import Asleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.store.asleep import View

    Recorder = Callable[[float], None]

INFINITY = float("inf")


def adder(mem: list[View], index: int) -> Recorder:
    """For counters and up/down counters."""

    def add(value: float) -> None:
        mem[0][index] += value

    return add


def placer(mem: list[View], index: int) -> Recorder:
    """For counters whose total is known: it takes the place of what the cell held."""

    def place(value: float) -> None:
        view = mem[0]
        if view.__class__ is Asleep:
            view.shard.awake()
        mem[0][index] = value

    return place


def setter(mem: list[View], index: int) -> Recorder:
    """For gauges, also takes `GONE`; the time of the change tells the exporter which process set it
    last."""
    changed = index + 1

    def set_to(value: float) -> None:
        now = time()
        if value is GONE:
            now = value = 0.0
        view = mem[0]
        if view.__class__ is Asleep:
            view.shard.awake()
        view = mem[0]
        view[index] = value
        view[changed] = now

    return set_to


class Step(float):
    """What a value changes by, for a recorder that takes plain numbers as the new value."""

    __slots__ = ()


GONE = Step("nan")
"""Takes a gauge's series back, until it is told again."""

HIDDEN = Step("nan")
"""As `GONE`; a `Step` finds the value that it had."""


def changer(mem: list[View], index: int) -> Recorder:
    """For gauges that change by steps too: takes the new value, a `Step`, `GONE` or `HIDDEN`."""
    changed = index + 1

    def change(value: float) -> None:
        now = time()
        step = value.__class__ is Step
        if value is GONE:
            now = value = 0.0
            step = False
        elif value is HIDDEN:
            now = value = 0.0
        view = mem[0]
        if view.__class__ is Asleep:
            view.shard.awake()
        view = mem[0]
        view[index] = (value, view[index] + value)[step]
        view[changed] = now

    return change


def observer(mem: list[View], index: int, bounds: tuple[float, ...]) -> Recorder:
    """For histograms: the sum, and the bucket whose upper edge is the first not below the value."""
    first = index + 1

    def record(value: float) -> None:
        bucket = first + bisect_left(bounds, value)
        view = mem[0]
        view[index] += value
        view[bucket] += 1.0

    return record


def extremes_at(index: int, bounds: tuple[float, ...]) -> tuple[int, int]:
    """Where a histogram keeps its smallest and its largest value.

    They must be preset with inf and -inf.
    """
    smallest = index + 1 + len(bounds) + 1
    return smallest, smallest + 1


def observer_of_extremes(mem: list[View], index: int, bounds: tuple[float, ...]) -> Recorder:
    """For histograms that also tell their smallest and largest value, as the SDK's do."""
    first = index + 1
    smallest, largest = extremes_at(index, bounds)

    def record(value: float) -> None:
        bucket = first + bisect_left(bounds, value)
        view = mem[0]
        if view.__class__ is Asleep:
            view.shard.awake()
        if value < mem[0][smallest]:
            mem[0][smallest] = value
        if value > mem[0][largest]:
            mem[0][largest] = value
        view = mem[0]
        view[index] += value
        view[bucket] += 1.0

    return record


def observer_since(
    mem: list[View], index: int, bounds: tuple[float, ...], since: list[float]
) -> Recorder:
    """As `observer_of_extremes`; `since` holds both once more, for a reader that takes them
    together with the cells and begins anew, so all must move as one."""
    first = index + 1
    smallest, largest = extremes_at(index, bounds)

    def record(value: float) -> None:
        bucket = first + bisect_left(bounds, value)
        view = mem[0]
        if view.__class__ is Asleep:
            view.shard.awake()
        view = mem[0]
        # Chosen by index: a branch is a jump.
        view[smallest] = (view[smallest], value)[value < view[smallest]]
        view[largest] = (view[largest], value)[value > view[largest]]
        since[0] = (since[0], value)[value < since[0]]
        since[1] = (since[1], value)[value > since[1]]
        view[index] += value
        view[bucket] += 1.0

    return record


def recorder(
    kind: str, mem: list[View], index: int, bounds: tuple[float, ...], minmax: bool
) -> Recorder:
    """The recorder for a series of `kind` whose cells begin at `index`."""
    if kind == "histogram":
        return (observer_of_extremes if minmax else observer)(mem, index, bounds)
    return (setter if kind == "gauge" else adder)(mem, index)
