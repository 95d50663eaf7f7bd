"""The merge: what every shard says, added to what the dead have left, as one vector of cells laid
out by `table`.

Each shard's series are mapped to places once (`Feed`); a scrape then walks flat arrays of indexes.
Counters and histograms add up over the living and the retained total, up/down counters and gauges
over the living alone, but for gauges of what was ever true.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from monagent.exporter import exact
from monagent.exporter.table import EVER, Table, Target, outlives
from monagent.store.reader import Series

LATELY = 7.5
"""Seconds before the last one within which a gauge of the rule "least" must have been set."""

Extremes = dict[int, tuple[float, float]]
"""Smallest and largest value, by the index of the cell that holds the former; only where something
was counted."""


class Feed:
    """Where the cells of one shard go in the table.

    `counts` are whole numbers (buckets); `kept` and `passing` may be fractions, the former
    outlive the process.
    """

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self._counts = _Wires()
        self._kept = _Wires()
        self._passing = _Wires()
        self._gauges: list[tuple[str, int, int]] = []
        self._extremes: list[tuple[int, int, int]] = []

    def extend(self, table: Table, series: Iterable[Series], labels: dict[str, Any]) -> None:
        """Maps further series, each with these constant labels on top of its own attributes."""
        for one in series:
            attributes = {**labels, **one.attributes} if labels else one.attributes
            target = table.target(one.instrument, attributes)
            target.feeds += 1
            self.targets.append(target)
            self._wire(target, one)

    def _wire(self, target: Target, one: Series) -> None:
        kind = one.instrument.kind
        if kind == "gauge":
            self._gauges.append((one.instrument.merge, one.index, target.index))
        elif kind == "updowncounter":
            self._passing.add(one.index, target.real)
        else:
            self._kept.add(one.index, target.real)
        if kind == "histogram":
            buckets = len(one.instrument.bounds) + 1
            self._counts.add_run(one.index + 1, target.index + 1, buckets)
            if one.instrument.minmax:
                self._extremes.append((one.index, target.index, buckets))

    def bury(self) -> None:
        """The process has ended: what was true of the living alone counts no more."""
        kept = [target for target in self.targets if outlives(target.instrument)]
        self._release(target for target in self.targets if not outlives(target.instrument))
        self.targets = kept
        self._passing = _Wires()
        self._gauges = [one for one in self._gauges if one[0] == EVER]

    def release(self) -> None:
        """Takes the shard's claim off its targets: those without another are served no more."""
        self._release(self.targets)

    @staticmethod
    def _release(targets: Iterable[Target]) -> None:
        for target in targets:
            target.feeds -= 1

    def add_kept(
        self, values: Sequence[float], cells: list[float], parts: list[list[float]], edges: Extremes
    ) -> None:
        """Adds what outlives the process: exactly, so that the order of folding does not matter."""
        for source, place in zip(self._counts.source, self._counts.place, strict=True):
            cells[place] += values[source]
        for source, place in zip(self._kept.source, self._kept.place, strict=True):
            if values[source]:
                exact.add(parts[place], values[source])
        for rule, source, place in self._gauges:
            if rule == EVER:
                put_gauge(rule, values[source], values[source + 1], cells, place)
        self._widen(values, edges)

    def add_all(
        self, values: Sequence[float], cells: list[float], parts: list[list[float]], edges: Extremes
    ) -> None:
        """Adds everything, for one scrape; `parts` are only collected, `merge` sums them up."""
        for source, place in zip(self._counts.source, self._counts.place, strict=True):
            cells[place] += values[source]
        for wires in (self._kept, self._passing):
            for source, place in zip(wires.source, wires.place, strict=True):
                parts[place].append(values[source])
        for rule, source, place in self._gauges:
            put_gauge(rule, values[source], values[source + 1], cells, place)
        self._widen(values, edges)

    def _widen(self, values: Sequence[float], edges: Extremes) -> None:
        for source, place, buckets in self._extremes:
            behind = source + 1 + buckets
            if any(values[source + 1 : behind]):
                low, high = values[behind], values[behind + 1]
                found = edges.get(place + 1 + buckets, (low, high))
                edges[place + 1 + buckets] = (min(found[0], low), max(found[1], high))


class _Wires:
    """Pairs of (cell of the shard, place in the table), flat."""

    __slots__ = ("place", "source")

    def __init__(self) -> None:
        self.source = array("q")
        self.place = array("q")

    def add(self, source: int, place: int) -> None:
        self.source.append(source)
        self.place.append(place)

    def add_run(self, source: int, place: int, length: int) -> None:
        self.source.extend(range(source, source + length))
        self.place.extend(range(place, place + length))


def put_gauge(rule: str, value: float, stamp: float, cells: list[float], place: int) -> None:
    """Merges what one process has set, and when, into the two cells at `place`."""
    if not stamp:  # never set
        return
    known = cells[place + 1]
    if not known:
        cells[place] = value
    elif rule == "sum":
        cells[place] += value
    elif rule in ("max", EVER):
        cells[place] = max(cells[place], value)
    elif rule == "min" or (rule == "least" and abs(stamp - known) <= LATELY):
        cells[place] = min(cells[place], value)
    elif stamp >= known:
        cells[place] = value
    cells[place + 1] = max(known, stamp)


class Retained:
    """The dead's total, laid out as the table is."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.targets: dict[Target, None] = {}
        self.cells: list[float] = []
        self.parts: list[list[float]] = []
        self.edges: Extremes = {}
        self.grow()

    def copy(self) -> Retained:
        """A copy to try a fold on; claims on targets are not copied, see `claim`."""
        other = Retained(self.table)
        other.targets = dict(self.targets)
        other.cells = list(self.cells)
        other.parts = [list(part) for part in self.parts]
        other.edges = dict(self.edges)
        other.grow()
        return other

    def grow(self) -> None:
        """Makes room for what the table has learnt since."""
        self.cells.extend([0.0] * (self.table.size - len(self.cells)))
        self.parts.extend([] for _ in range(len(self.table.reals) - len(self.parts)))

    def add(self, feed: Feed, values: Sequence[float]) -> None:
        """Adds a dead process's shard."""
        self.grow()
        feed.add_kept(values, self.cells, self.parts, self.edges)
        for target in feed.targets:
            if outlives(target.instrument):
                self.targets[target] = None


def merge(retained: Retained, shards: Iterable[tuple[Feed, Sequence[float]]]) -> list[float]:
    """One vector of cells: `retained` and all `shards`, each a feed and a snapshot of its cells."""
    retained.grow()
    table = retained.table
    cells = list(retained.cells)
    parts = [list(part) for part in retained.parts]
    edges = dict(retained.edges)
    for feed, values in shards:
        feed.add_all(values, cells, parts, edges)
    for place, part in zip(table.reals, parts, strict=True):
        cells[place] = exact.total(part) if part else 0.0
    for place, (low, high) in edges.items():
        cells[place] = low
        cells[place + 1] = high
    return cells
