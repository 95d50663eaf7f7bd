"""Reads a state directory the way the exporter does, for tests that compare whole values."""

from __future__ import annotations

from typing import Any

from monagent.store.reader import ShardFile, scan

SHORT = {
    "http.request.method": "method",
    "url.scheme": "scheme",
    "http.route": "route",
    "http.response.status_code": "status",
    "error.type": "error",
}


class Numbers:
    """The numbers of all shards of a directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def series(self, name: str) -> dict[tuple[tuple[str, Any], ...], list[float]]:
        """Cells by sorted attributes, added up over processes."""
        found: dict[tuple[tuple[str, Any], ...], list[float]] = {}
        for path in scan(self.directory):
            shard = ShardFile.open(path)
            shard.refresh()
            values = shard.values()
            for series in shard.series:
                if series.instrument.name != name:
                    continue
                key = tuple(sorted(series.attributes.items()))
                cells = values[series.index : series.index + series.width]
                before = found.get(key, [0.0] * len(cells))
                found[key] = [a + b for a, b in zip(before, cells, strict=True)]
            shard.close()
        return found

    def counts(self, name: str = "http.server.request.duration") -> dict[str, int]:
        """Counts of a histogram's series, by "METHOD route status error" (absent ones left out)."""
        found: dict[str, int] = {}
        for key, cells in self.series(name).items():
            facts = dict(key)
            label = " ".join(
                str(facts[fact]) for fact in SHORT if fact in facts and fact != "url.scheme"
            )
            found[label] = found.get(label, 0) + int(sum(cells[1:]))
        return {label: count for label, count in found.items() if count}

    def sums(self, name: str) -> dict[str, float]:
        """Sums of a histogram's series by route."""
        found: dict[str, float] = {}
        for key, cells in self.series(name).items():
            route = str(dict(key).get("http.route", ""))
            found[route] = found.get(route, 0.0) + cells[0]
        return found

    def total(self, name: str) -> float:
        """All values of a counter or up/down counter, added up."""
        return sum(cells[0] for cells in self.series(name).values())
