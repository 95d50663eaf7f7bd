"""The exposition: OpenMetrics 1.0 and Prometheus text 0.0.4 from one vector of cells.

Sample lines are the same in both formats and are kept as templates, so that a scrape only fills in
numbers; the formats differ in the metadata, in the info metric, and in `# EOF`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from monagent.exporter import naming
from monagent.exporter.families import Families, Family
from monagent.exporter.table import Table

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Exposition:
    """Renders the table; what it has learnt of a series once, it keeps."""

    def __init__(self, table: Table) -> None:
        self.families = Families()
        self._table = table
        self._seen = 0

    def learn(self) -> None:
        """Takes in series that are new in the table."""
        for target in self._table.targets[self._seen :]:
            self.families.add(target)
        self._seen = len(self._table.targets)

    def render(
        self,
        cells: Sequence[float],
        resource: dict[str, Any],
        openmetrics: bool,
    ) -> bytes:
        """The whole text."""
        self.learn()
        # One test for all instead of one for each: a single inf or nan makes the sum one.
        ordinary = math.isfinite(sum(cells))
        pieces = [_info(resource, openmetrics)]
        for family in self.families.ordered():
            body = _body(family, cells, ordinary)
            if body:
                head = _openmetrics_head(family) if openmetrics else _text_head(family)
                pieces.append((head + body).encode("utf-8", "replace"))
        if openmetrics:
            pieces.append(b"# EOF\n")
        return b"".join(pieces)


def _body(family: Family, cells: Sequence[float], ordinary: bool) -> str:
    lines = []
    for line in family.ordered():
        targets = line.targets
        if len(targets) > 1 or not targets[0].feeds:
            targets = [target for target in targets if target.feeds]
            if not targets:
                continue
        samples = family.samples(targets, cells)
        if samples is None:
            continue
        if ordinary:
            lines.append(line.template % samples)
        else:
            lines.append(_slowly(line.template, samples))
    return "".join(lines)


def _slowly(template: str, samples: tuple[float, ...]) -> str:
    return template.replace(" %r\n", " %s\n") % tuple(map(naming.number, samples))


def _kind(family: Family, untyped: str) -> str:
    """The type as it is shown.

    Some gauges of the conventions (`process.thread.count`) end like a part of a histogram, for
    which promtool scolds all types but this one; queries and dashboards do not look at it.
    """
    if family.kind == "gauge" and family.name.endswith(("_count", "_sum", "_bucket")):
        return untyped
    return family.kind


def _openmetrics_head(family: Family) -> str:
    head = f"# TYPE {family.name} {_kind(family, 'unknown')}\n"
    if family.unit:
        head += f"# UNIT {family.name} {family.unit}\n"
    if family.help:
        head += f"# HELP {family.name} {naming.escaped(family.help)}\n"
    return head


def _text_head(family: Family) -> str:
    name = family.name + "_total" if family.kind == "counter" else family.name
    head = ""
    if family.help:
        text = family.help.replace("\\", r"\\").replace("\n", r"\n")
        head = f"# HELP {name} {text}\n"
    return f"{head}# TYPE {name} {_kind(family, 'untyped')}\n"


def _info(resource: dict[str, Any], openmetrics: bool) -> bytes:
    """The info metric about the service: one sample of value 1 whose labels are the resource."""
    name, kind = ("target", "info") if openmetrics else ("target_info", "gauge")
    labels = naming.labels(resource)
    return (
        f"# HELP {name} Target metadata\n# TYPE {name} {kind}\ntarget_info{{{labels}}} 1.0\n"
    ).encode("utf-8", "replace")
