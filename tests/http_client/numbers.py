"""Reads what was recorded, in the short form that tests compare."""

from __future__ import annotations

from typing import Any

from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

DURATION = "http.client.request.duration"
SENT = "http.client.request.body.size"
RECEIVED = "http.client.response.body.size"
ACTIVE = "http.client.active_requests"
OPEN = "http.client.open_connections"

Outcome = tuple[str, int | None, str | None]
"""Method, status, error.type."""


class Numbers:
    """The numbers of one shard."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard

    def series(self, name: str) -> list[tuple[dict[str, Any], list[float]]]:
        """Attributes and cells of every series of a metric."""
        file = ShardFile(self.shard.snapshot())
        cells = file.values()
        return [
            (found.attributes, list(cells[found.index : found.index + found.width]))
            for found in file.series
            if found.instrument.name == name
        ]

    def outcomes(self) -> dict[Outcome, int]:
        """How many calls ended how."""
        found: dict[Outcome, int] = {}
        for attributes, cells in self.series(DURATION):
            key = _outcome(attributes)
            found[key] = found.get(key, 0) + int(sum(cells[1:]))
        return {key: count for key, count in found.items() if count}

    def sizes(self, name: str) -> dict[Outcome, tuple[int, int]]:
        """Count and sum of a size by outcome."""
        return {
            _outcome(attributes): (int(sum(cells[1:])), int(cells[0]))
            for attributes, cells in self.series(name)
            if sum(cells[1:])
        }

    def values(self, name: str, *labels: str) -> dict[tuple[Any, ...], float]:
        """Values of a counter by these labels; what is zero is left out."""
        found: dict[tuple[Any, ...], float] = {}
        for attributes, cells in self.series(name):
            key = tuple(attributes.get(label) for label in labels)
            found[key] = found.get(key, 0.0) + cells[0]
        return {key: value for key, value in found.items() if value}

    def total(self, name: str) -> float:
        """All values of a counter together."""
        return sum(cells[0] for _, cells in self.series(name))

    def connections(self) -> dict[str, float]:
        """Open connections by state."""
        found = self.values(OPEN, "http.connection.state")
        return {str(state): value for (state,), value in found.items()}


def _outcome(attributes: dict[str, Any]) -> Outcome:
    return (
        attributes["http.request.method"],
        attributes.get("http.response.status_code"),
        attributes.get("error.type"),
    )
