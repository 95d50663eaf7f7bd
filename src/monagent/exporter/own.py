"""Series that the exporter itself knows: a shard in memory, merged like any other.

Its counters go on where an exporter that was killed had them: they are written to a small file
before they are served (`state`, `restore`).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Any

from monagent.exporter.merge import Feed
from monagent.exporter.table import KEPT, Table
from monagent.store.reader import Instrument, Series


class Own:
    """The exporter's own cells; a series appears at its first use."""

    def __init__(self, table: Table, labels: dict[str, str]) -> None:
        self.feed = Feed()
        self.cells: list[float] = []
        self._series: dict[tuple[Instrument, tuple[tuple[str, str], ...]], Series] = {}
        self._table = table
        self._labels = labels

    def add(self, instrument: Instrument, amount: float = 1, **attributes: str) -> None:
        """Counts; an amount of 0 makes the series visible at 0."""
        self.cells[self._at(instrument, attributes)] += amount

    def put(self, instrument: Instrument, value: float, **attributes: str) -> None:
        """Sets a gauge, an up/down counter, or a counter that is counted elsewhere."""
        at = self._at(instrument, attributes)
        self.cells[at] = float(value)
        if instrument.kind == "gauge":
            self.cells[at + 1] = time.time()

    def hide(self, instrument: Instrument, **attributes: str) -> None:
        """Takes a gauge off until it is set again."""
        self.cells[self._at(instrument, attributes) + 1] = 0.0

    def record(self, instrument: Instrument, value: float, **attributes: str) -> None:
        """Records a value in a histogram."""
        at = self._at(instrument, attributes)
        self.cells[at] += value
        self.cells[at + 1 + bisect_left(instrument.bounds, value)] += 1

    def _at(self, instrument: Instrument, attributes: dict[str, str]) -> int:
        key = (instrument, tuple(sorted(attributes.items())))
        series = self._series.get(key)
        if series is None:
            # Attributes are written with underscores here and with dots in the conventions.
            named = {name.replace("__", "."): text for name, text in attributes.items()}
            series = Series(instrument, named, len(self.cells), instrument.width)
            self._series[key] = series
            self.cells += [0.0] * series.width
            self.feed.extend(self._table, [series], dict(self._labels))
        return series.index

    def move(self, table: Table) -> None:
        """Goes on in another table."""
        self._table = table
        self.feed = Feed()
        self.feed.extend(table, self._series.values(), dict(self._labels))

    def state(self) -> list[Any]:
        """The counters, for a successor."""
        return [
            [instrument.name, dict(attributes), self.cells[one.index : one.index + one.width]]
            for (instrument, attributes), one in self._series.items()
            if instrument.kind in KEPT
        ]

    def restore(self, state: list[Any], instruments: dict[str, Instrument]) -> None:
        """Takes over what a predecessor counted; what does not fit is left out."""
        for name, attributes, cells in state:
            instrument = instruments.get(name)
            if instrument is not None and len(cells) == instrument.width:
                at = self._at(instrument, attributes)
                for offset, value in enumerate(cells):
                    self.cells[at + offset] += float(value)
