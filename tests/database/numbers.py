"""What was recorded of databases, read from the state directory as the exporter reads it."""

from __future__ import annotations

from typing import Any

from monagent.store.reader import ShardFile, scan

Key = tuple[tuple[str, Any], ...]


class Numbers:
    """The numbers of all processes that recorded into a directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def series(self, name: str) -> dict[Key, list[float]]:
        """Cells of a metric by sorted attributes, added up over processes."""
        found: dict[Key, list[float]] = {}
        for path in scan(self.directory):
            shard = ShardFile.open(path)
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

    def operations(self) -> dict[str, int]:
        """Counts by "OPERATION collection status error", those that are absent left out."""
        found: dict[str, int] = {}
        for key, cells in self.series("db.client.operation.duration").items():
            facts = dict(key)
            label = " ".join(
                facts[fact]
                for fact in (
                    "db.operation.name",
                    "db.collection.name",
                    "db.response.status_code",
                    "error.type",
                )
                if fact in facts
            )
            found[label] = found.get(label, 0) + int(sum(cells[1:]))
        return {label: count for label, count in found.items() if count}

    def databases(self) -> set[tuple[str, str]]:
        """System and namespace of everything recorded."""
        return {
            (facts["db.system.name"], facts.get("db.namespace", ""))
            for facts in map(dict, self.series("db.client.operation.duration"))
        }

    def pool(self, name: str | None = None) -> dict[str, float]:
        """Figures of a pool (the only one if no name is given): used, idle, max, overflow, …"""
        found: dict[str, float] = {}
        prefix = "db.client.connection."
        for metric in ("count", "max", "overflow", "pending_requests", "timeouts"):
            for key, cells in self.series(prefix + metric).items():
                facts = dict(key)
                if name is None or facts[prefix + "pool.name"] == name:
                    figure = facts.get(prefix + "state", metric)
                    assert figure not in found or name is not None, "several pools, name one"
                    found[figure] = cells[0]
        for metric in ("wait_time", "use_time"):
            for key, cells in self.series(prefix + metric).items():
                if name is None or dict(key)[prefix + "pool.name"] == name:
                    found[metric] = sum(cells[1:])
        return found

    def pools(self) -> set[str]:
        """Names of the pools seen so far."""
        return {
            dict(key)["db.client.connection.pool.name"]
            for key in self.series("db.client.connection.count")
        }

    def refusals(self) -> dict[str, float]:
        """Failed connections by error."""
        series = self.series("db.client.connection.errors")
        return {dict(key)["error.type"]: cells[0] for key, cells in series.items()}
