"""Reads what all processes of a command have counted, ended ones too, without an exporter.

With MONAGENT_EXPORTER=off nobody folds the shards, so they stay in MONAGENT_DIR.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from monagent.exporter.processes import Proc
from monagent.store.layout import Foreign, Nascent
from monagent.store.reader import ShardFile, scan

PROC = Proc()


@dataclass(frozen=True)
class Counted:
    """All series: (metric, labels) → value; for a histogram its count, with `.sum` beside."""

    series: dict[tuple[str, frozenset[tuple[str, object]]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the series that carry these labels."""
        return sum(
            value
            for (metric, have), value in self.series.items()
            if metric == name and labels.items() <= dict(have).items()
        )

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Sums by the values of a label, without those that are 0."""
        found: dict[str, float] = defaultdict(float)
        for (metric, have), value in self.series.items():
            has = dict(have)
            if metric == name and labels.items() <= has.items():
                found[str(has.get(label, ""))] += value
        return {key: value for key, value in found.items() if value}


def counted(directory: Path, live_only: bool = False) -> Counted:
    """What stands in all shards; gauges show their last value, or else their largest, sockets of
    several processes count once."""
    series: dict[tuple[str, frozenset[tuple[str, object]]], float] = defaultdict(float)
    changed: dict[tuple[str, frozenset[tuple[str, object]]], float] = defaultdict(float)
    asked: set[int] = set()
    for path in scan(str(directory)):
        try:
            shard = ShardFile.open(path)
        except (Foreign, Nascent, OSError):
            continue
        if not live_only or shard.alive():
            values = shard.values()
            for one in shard.series:
                key = one.instrument.name, frozenset(one.attributes.items())
                cells = values[one.index : one.index + one.width]
                if one.instrument.kind == "histogram":
                    series[key] += sum(cells[1:])
                    series[one.instrument.name + ".sum", key[1]] += cells[0]
                elif one.instrument.kind == "gauge" and one.instrument.merge in ("last", "least"):
                    if cells[1] and cells[1] >= changed[key]:  # told, and not taken back
                        series[key], changed[key] = cells
                elif one.instrument.kind == "gauge":
                    series[key] = max(series[key], cells[0])
                else:
                    series[key] += cells[0]
            waiting = PROC.waiting(shard.pid) if shard.sockets else {}
            for inode in (shard.sockets.keys() & waiting.keys()) - asked:
                one = shard.sockets[inode]
                series[one.instrument.name, frozenset(one.attributes.items())] += waiting[inode]
                asked.add(inode)
        shard.close()
    return Counted(dict(series))
