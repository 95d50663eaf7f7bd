"""Families of the exposition: which series stand together under one HELP and TYPE, as which line.

Several OpenTelemetry instruments may end up under one name (other help, other scope, other bucket
edges, a label sanitised into another).  Series that become equal are then added up; a name that is
taken by another type cannot be shown, is counted as a conflict and told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from monagent import units
from monagent.exporter import naming
from monagent.exporter.table import EVER, Target
from monagent.store.reader import Instrument

_TYPES = {"counter": "counter", "histogram": "histogram"}
SUFFIXES = {
    "counter": ("", "_total"),
    "histogram": ("", "_bucket", "_count", "_sum"),
    "gauge": ("",),
}
RESOURCE = ("target", "target_info")
"""Names of what is told about the service itself."""


class Line:
    """One series as text: a template with a %r for each sample, and the targets it shows."""

    __slots__ = ("targets", "template")

    def __init__(self, template: str) -> None:
        self.template = template
        self.targets: list[Target] = []


class Family:
    """One metric as Prometheus knows it; `lines` by their labels."""

    def __init__(self, name: str, kind: str, unit: str, text: str) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = text
        self.lines: dict[str, Line] = {}
        self._sorted: list[Line] = []

    def add(self, target: Target) -> None:
        """Gives the target a line, or its part in one."""
        bounds, scope = target.instrument.bounds, target.instrument.scope[0]
        reserved = "le" if self.kind == "histogram" else ""
        labels = naming.labels(target.attributes, reserved, scope)
        line = self.lines.get(labels)
        if line is None:
            line = self.lines[labels] = Line(self._template(labels, bounds, scope))
        elif self.kind == "histogram":
            shared = shared_bounds([*line.targets, target])
            line.template = self._template(labels, shared, scope)
        line.targets.append(target)

    def ordered(self) -> list[Line]:
        """The lines, sorted by their labels."""
        if len(self._sorted) != len(self.lines):
            self._sorted = [self.lines[key] for key in sorted(self.lines)]
        return self._sorted

    def _template(self, labels: str, bounds: Sequence[float], scope: str) -> str:
        labels = labels.replace("%", "%%")
        around = f"{{{labels}}}" if labels else ""
        if self.kind == "counter":
            return f"{self.name}_total{around} %r\n"
        if self.kind == "gauge":
            return f"{self.name}{around} %r\n"
        before = f'{self.name}_bucket{{{labels}{"," if labels else ""}le="'
        edges = [*(naming.edge(bound, scope) for bound in bounds), "+Inf"]
        buckets = "".join(f'{before}{edge}"}} %r\n' for edge in edges)
        if bounds and bounds[0] < 0:
            # OpenMetrics forbids sum and count where observations may be negative.
            return buckets
        return f"{buckets}{self.name}_count{around} %r\n{self.name}_sum{around} %r\n"

    def samples(self, targets: list[Target], cells: Sequence[float]) -> tuple[float, ...] | None:
        """The values for a line's template, or None when there is nothing to show."""
        if self.kind == "histogram":
            return _histogram(targets, cells)
        # Of one name there may be gauges and up/down counters, which are gauges for Prometheus.
        gauges = [target for target in targets if target.instrument.kind == "gauge"]
        if not gauges:
            if len(targets) == 1:
                return (cells[targets[0].index],)
            return (sum(cells[target.index] for target in targets),)
        set_to = _gauge(gauges, cells)
        if len(gauges) == len(targets):
            return set_to
        rest = sum(cells[t.index] for t in targets if t.instrument.kind != "gauge")
        return (rest + (set_to[0] if set_to else 0.0),)


def _gauge(targets: list[Target], cells: Sequence[float]) -> tuple[float, ...] | None:
    found = [(cells[t.index + 1], cells[t.index]) for t in targets if cells[t.index + 1]]
    if not found:
        return None
    rule = targets[0].instrument.merge
    if len(found) == 1 or rule == "last":
        return (max(found)[1],)
    rules = {"max": max, EVER: max, "min": min, "least": min}
    merged = rules.get(rule, sum)([value for _, value in found])
    return (merged,)


def _histogram(targets: list[Target], cells: Sequence[float]) -> tuple[float, ...]:
    first = targets[0]
    total = cells[first.index]
    bounds = first.instrument.bounds
    start = first.index + 1
    buckets = tuple(accumulate(cells[start : start + len(bounds) + 1]))
    if len(targets) > 1:
        bounds = shared_bounds(targets)
        total = sum(cells[target.index] for target in targets)
        each = [_at(target, bounds, cells) for target in targets]
        buckets = tuple(map(sum, zip(*each, strict=True)))
    if bounds and bounds[0] < 0:
        return buckets
    return (*buckets, buckets[-1], total)


def _at(target: Target, bounds: Sequence[float], cells: Sequence[float]) -> list[float]:
    """Cumulative counts at these edges, which must be among the target's own, and at +Inf."""
    own = target.instrument.bounds
    start = target.index + 1
    counts = list(accumulate(cells[start : start + len(own) + 1]))
    return [counts[own.index(bound)] for bound in bounds] + counts[-1:]


def shared_bounds(targets: Sequence[Target]) -> tuple[float, ...]:
    """Edges that all have: at those the cumulative counts add up without guessing."""
    common = set(targets[0].instrument.bounds)
    for target in targets[1:]:
        common &= set(target.instrument.bounds)
    return tuple(sorted(common))


class Families:
    """All families by name, and the names nobody else may have.

    Attributes:
        conflicts: instruments that cannot be shown, each with the reason.
        repeated: instruments that share a family with another help, unit or merge rule.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Family] = {}
        self.conflicts: dict[Instrument, str] = {}
        self.repeated: set[Instrument] = set()
        self._of: dict[Instrument, Family | None] = {}
        self._taken = dict.fromkeys(RESOURCE, "target")
        self._sorted: list[Family] = []

    def add(self, target: Target) -> None:
        """Shows this target from now on."""
        instrument = target.instrument
        if instrument not in self._of:
            self._of[instrument] = self._family(instrument)
        family = self._of[instrument]
        if family is not None:
            family.add(target)

    def ordered(self) -> list[Family]:
        """The families, sorted by name."""
        if len(self._sorted) != len(self.by_name):
            self._sorted = [self.by_name[name] for name in sorted(self.by_name)]
        return self._sorted

    def _family(self, instrument: Instrument) -> Family | None:
        kind = _TYPES.get(instrument.kind, "gauge")
        unit = units.unit(instrument.unit)
        name = naming.family(instrument.name, kind, unit, instrument.scope[0])
        family = self.by_name.get(name)
        if family is None:
            names = [name + suffix for suffix in SUFFIXES[kind]]
            owner = next((self._taken[one] for one in names if one in self._taken), None)
            if owner is not None:
                return self._refuse(instrument, f"its name belongs to {owner}")
            self._taken.update(dict.fromkeys(names, name))
            family = self.by_name[name] = Family(name, kind, unit, instrument.help)
            return family
        if family.kind != kind:
            return self._refuse(instrument, f"{name} is a {family.kind}")
        if (family.help, family.unit) != (instrument.help, unit):
            self.repeated.add(instrument)
        return family

    def _refuse(self, instrument: Instrument, reason: str) -> Family | None:
        self.conflicts[instrument] = reason
        return None
