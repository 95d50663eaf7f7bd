"""Reads Prometheus text, and computes quantiles from buckets as histogram_quantile() does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: its name, its labels, its value."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(slots=True)
class Histogram:
    """The sum of several series of one histogram."""

    count: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)  # Upper edge -> cumulative count.

    def quantile(self, q: float) -> float:
        """The q-quantile, interpolated inside its bucket; NaN when nothing was counted.

        As `bucketQuantile` in Prometheus' promql/quantile.go: the lowest bucket begins at 0, and
        what lies in the +Inf bucket is answered with the highest finite edge.
        """
        edges = sorted(self.buckets)
        if not edges or self.buckets[edges[-1]] == 0:
            return float("nan")
        rank = q * self.buckets[edges[-1]]
        position = next(n for n, edge in enumerate(edges) if self.buckets[edge] >= rank)
        if position == len(edges) - 1:
            return edges[-2] if len(edges) > 1 else float("nan")
        low, below = (
            (edges[position - 1], self.buckets[edges[position - 1]]) if position else (0, 0)
        )
        inside = self.buckets[edges[position]] - below
        return low + (edges[position] - low) * (rank - below) / inside


def parse(text: str) -> Iterator[Sample]:
    """The samples of an exposition; comments are skipped, a line that is none raises ValueError."""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        found = LINE.match(line)
        if found is None:
            raise ValueError(f"found {line!r}, expected a sample")
        labels = {
            name: re.sub(r"\\.", lambda escape: ESCAPES.get(escape[0], escape[0]), value)
            for name, value in LABEL.findall(found["labels"] or "")
        }
        yield Sample(found["name"], labels, float(found["value"]))


def histograms(
    samples: Iterable[Sample], name: str, by: tuple[str, ...]
) -> dict[tuple[str, ...], Histogram]:
    """The histogram `name` added up by the labels `by`; an absent label counts as ""."""
    added: dict[tuple[str, ...], Histogram] = {}
    for sample in samples:
        if sample.name not in (f"{name}_bucket", f"{name}_count"):
            continue
        one = added.setdefault(tuple(sample.labels.get(label, "") for label in by), Histogram())
        if sample.name.endswith("_count"):
            one.count += sample.value
        else:
            edge = float(sample.labels["le"])
            one.buckets[edge] = one.buckets.get(edge, 0.0) + sample.value
    return added


def totals(
    samples: Iterable[Sample], name: str, by: tuple[str, ...]
) -> dict[tuple[str, ...], float]:
    """The values of `name` added up by the labels `by`; an absent label counts as ""."""
    added: dict[tuple[str, ...], float] = {}
    for sample in samples:
        if sample.name == name:
            key = tuple(sample.labels.get(label, "") for label in by)
            added[key] = added.get(key, 0.0) + sample.value
    return added
