"""The table of all series of the tree: every distinct series has one place in one vector of cells.

Shards name their series in their own order; each is looked up here once, and from then on merging
is adding numbers to places.
"""

from __future__ import annotations

import json
from typing import Any

from monagent.store import attributes as stored
from monagent.store.reader import Instrument

OVERFLOW = {"otel.metric.overflow": True}

KEPT = frozenset({"counter", "histogram"})
"""Kinds whose numbers outlive their process."""

EVER = "ever"
"""The rule of a gauge that does so too: what was true of one process stays true of the tree."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Target:
    """One series of the merged total.

    Attributes:
        index: its first cell.
        real: the ordinal of the one cell that may hold a fraction (see `exact`), -1 for a gauge.
        feeds: how many shards, and the retained total, contribute; nothing is served at 0.
        key: the attributes as JSON, equal for equal attributes (1, 1.0, True and "1" differ).
    """

    __slots__ = ("attributes", "feeds", "index", "instrument", "key", "real", "width")

    def __init__(
        self, instrument: Instrument, attributes: dict[str, Any], key: str, index: int, real: int
    ) -> None:
        self.instrument = instrument
        self.attributes = attributes
        self.key = key
        self.index = index
        self.width = instrument.width
        self.real = real
        self.feeds = 0


def outlives(instrument: Instrument) -> bool:
    """Whether the tree keeps what a process said of this when it has ended."""
    return instrument.kind in KEPT or (instrument.kind == "gauge" and instrument.merge == EVER)


class Table:
    """Append-only list of targets; beyond `limit` series a metric's further ones share one
    overflow series.

    Processes keep to the limit on their own, but many of them may each have met other label values.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self.targets: list[Target] = []
        self.size = 0
        self.reals: list[int] = []
        self._limit = limit
        self._known: dict[Instrument, dict[str, Target]] = {}

    def target(self, instrument: Instrument, attributes: dict[str, Any]) -> Target:
        """The place of this series, made now if it is new."""
        known = self._known.get(instrument)
        if known is None:
            known = self._known[instrument] = {}
        key = _encode(stored.all_to_json(attributes))
        found = known.get(key)
        if found is None:
            # One more than the limit, because the limit of a process leaves room for
            # its overflow series too.
            if len(known) > self._limit and attributes != OVERFLOW:
                return self.target(instrument, OVERFLOW)
            found = self._add(instrument, attributes, key)
            known[key] = found
        return found

    @property
    def crowded(self) -> bool:
        """Whether most places belong to series of processes long gone, and a new table is due."""
        idle = sum(not target.feeds for target in self.targets)
        return idle > 1000 and idle > len(self.targets) // 2

    def _add(self, instrument: Instrument, attributes: dict[str, Any], key: str) -> Target:
        real = -1
        if instrument.kind != "gauge":
            real = len(self.reals)
            self.reals.append(self.size)
        target = Target(instrument, attributes, key, self.size, real)
        self.targets.append(target)
        self.size += target.width
        return target
