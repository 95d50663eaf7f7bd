"""The retained total on disk, and the crash-safe way of a dead process's shard into it.

Folding takes three steps: write the new total, with the ids of the shards that are in it, beside
the old one; put it in the
old one's place; delete the shards.  An exporter may be killed between any two instructions: before
the rename nothing has
happened, after it whoever comes next finds the ids in the total and only deletes those shards.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from monagent.exporter import exact
from monagent.exporter.disk import Disk, replace
from monagent.exporter.merge import Feed, Retained, put_gauge
from monagent.exporter.table import EVER, Table, Target
from monagent.store import attributes as stored
from monagent.store import directory
from monagent.store.reader import Instrument

VERSION = 1


class Torn(Exception):
    """The file is no retained total of this version; the message says why."""


class Archive:
    """The retained total of one state directory.

    Attributes:
        total: the numbers.
        ids: the shards that are in it and may still lie in the directory.
        folded: how many shards ever went in.
        start: when the tree's first process began to record, unix seconds; 0 while unknown.
        info: what the first dead process told about itself.
    """

    def __init__(self, path: str, table: Table, disk: Disk) -> None:
        self.path = f"{path}/{directory.RETAINED}"
        self.total = Retained(table)
        self.ids: set[str] = set()
        self.folded = 0
        self.start = 0.0
        self.info: dict[str, Any] = {}
        self._disk = disk

    def load(self) -> None:
        """Reads the file, if there is one; raises Torn when it cannot be used."""
        try:
            with open(self.path, "rb") as file:
                text = file.read()
        except FileNotFoundError:
            return
        try:
            state = json.loads(text)
            if state["version"] != VERSION:
                raise Torn(f"{self.path}: found version {state['version']}, expected {VERSION}")
            self._take(state)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise Torn(f"{self.path}: found {text[:40]!r}, expected a total: {error!r}") from None

    def _take(self, state: dict[str, Any]) -> None:
        total = Retained(self.total.table)
        instruments = [
            Instrument(**{**one, "bounds": tuple(one["bounds"]), "scope": tuple(one["scope"])})
            for one in state["instruments"]
        ]
        for number, attributes, cells in state["series"]:
            found = stored.all_from_json(attributes)
            target = total.table.target(instruments[number], found)
            total.grow()
            total.targets[target] = None
            _put(total, target, cells)
        self.ids, self.folded = set(state["ids"]), state["folded"]
        self.start, self.info = state["start"], state["info"]
        self.total = total
        for target in total.targets:
            target.feeds += 1

    def fold(self, dead: Iterable[tuple[str, Feed, Sequence[float]]]) -> None:
        """Adds these shards (id, feed, last values) to the total, on disk and then here;
        OSError leaves both as they were.

        The caller deletes the shards, and only then takes their ids off with `forget`.
        """
        batch = list(dead)
        before = self.total
        grown = before.copy()
        for _, feed, values in batch:
            grown.add(feed, values)
        ids = self.ids | {one[0] for one in batch}
        self._write(grown, ids, self.folded + len(batch))
        self.total = grown
        self.ids = ids
        self.folded += len(batch)
        for target in grown.targets:
            if target not in before.targets:
                target.feeds += 1
        for _, feed, _ in batch:
            feed.release()

    def forget(self, ids: Iterable[str]) -> None:
        """These shards lie in the directory no more; the next writing leaves their ids out."""
        self.ids.difference_update(ids)

    def move(self, table: Table) -> None:
        """Goes on in another table."""
        total = Retained(table)
        for target in self.total.targets:
            there = table.target(target.instrument, target.attributes)
            total.grow()
            total.targets[there] = None
            _put(total, there, _get(self.total, target))
        for there in total.targets:
            there.feeds += 1
        self.total = total

    def save(self) -> None:
        """Writes the file anew, after somebody removed it."""
        self._write(self.total, self.ids, self.folded)

    def _write(self, total: Retained, ids: set[str], folded: int) -> None:
        numbers: dict[Instrument, int] = {}
        series = []
        for target in total.targets:
            number = numbers.setdefault(target.instrument, len(numbers))
            series.append(f"[{number},{target.key},{json.dumps(_get(total, target))}]")
        head = {
            "version": VERSION,
            "written": time.time(),
            "folded": folded,
            "start": self.start,
            "info": self.info,
            "ids": sorted(ids),
            "instruments": [_described(one) for one in numbers],
        }
        text = json.dumps(head)[:-1] + ', "series": [\n' + ",\n".join(series) + "]}\n"
        replace(self._disk, self.path, text.encode())


def _described(instrument: Instrument) -> dict[str, Any]:
    return {name: getattr(instrument, name) for name in Instrument.__slots__}


def _get(total: Retained, target: Target) -> list[Any]:
    """The cells of a series as they are written: the first as the parts of an exact sum when it
    takes more than one."""
    if target.real < 0:
        return total.cells[target.index : target.index + target.width]
    parts = total.parts[target.real]
    first: Any = parts if len(parts) > 1 else exact.total(parts) if parts else 0.0
    cells: list[Any] = [first, *total.cells[target.index + 1 : target.index + target.width]]
    if target.instrument.minmax:
        behind = len(target.instrument.bounds) + 2
        cells[behind:] = total.edges.get(target.index + behind, ())
    return cells


def _put(total: Retained, target: Target, cells: list[Any]) -> None:
    if target.real < 0:
        put_gauge(EVER, cells[0], cells[1], total.cells, target.index)
        return
    first = cells[0]
    # Added, not set: past the series limit several entries of the file may share the overflow
    # series.
    for part in first if isinstance(first, list) else [first]:
        exact.add(total.parts[target.real], part)
    behind = len(target.instrument.bounds) + 2
    for offset, value in enumerate(cells[1:behind], 1):
        total.cells[target.index + offset] += value
    if len(cells) > behind:
        low, high = cells[behind:]
        found = total.edges.get(target.index + behind, (low, high))
        total.edges[target.index + behind] = (min(found[0], low), max(found[1], high))
