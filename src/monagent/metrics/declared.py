"""Metrics as conventions declare them: data that costs nothing until something is recorded.

    DURATION = Histogram(
        "db.client.operation.duration", unit="s", help="…", labels=("db.system.name",), buckets=(…)
    )
    DURATION.bind("postgresql")(0.012)

`bind` gives the recorder of one series and remembers it; a value of None or "" leaves its label
out.
"""

from __future__ import annotations

from monagent.metrics.family import Family, Spec
from monagent.store.attributes import identity
from monagent.store.layout import SOCKET
from monagent.store.shard import Shard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.metrics.family import Maker
    from monagent.metrics.recorders import Recorder

    Label = str | int | bool | float | None

SERIES_LIMIT = 10_000


class Metric:
    """One declared metric.

    Args:
        name: OpenTelemetry name, dots between words.
        unit: UCUM unit: "s", "By", "{request}".
        help: one sentence that says what an operator learns, with a full stop.
        labels: attribute names, in the order in which `bind` takes their values.
        limit: most series of this metric in one process, where the setting MONAGENT_SERIES_LIMIT
            allows more; None: as many as that does.
    """

    kind = ""
    merge = "sum"
    buckets: tuple[float, ...] = ()

    def __init__(
        self,
        name: str,
        *,
        unit: str = "",
        help: str,
        labels: tuple[str, ...] = (),
        limit: int | None = None,
    ) -> None:
        self.name = name
        self.unit = unit
        self.help = help
        self.labels = labels
        self.limit = limit
        self._bound: dict[tuple[Label, ...], Recorder] = {}
        self._family: Family | None = None
        _declared.append(self)

    def bind(self, *values: Label) -> Recorder:
        """The recorder of the series with these label values, as many as `labels`."""
        try:
            return self._bound[values]
        except KeyError:
            return self._bind(values)

    def bound(self) -> list[Recorder]:
        """The recorders of all series so far."""
        return list(self._bound.values())

    def record(self, value: float, *labels: Label) -> None:
        """Adds, sets or observes `value` in the series with these label values."""
        self.bind(*labels)(value)

    def _bind(self, values: tuple[Label, ...]) -> Recorder:
        return self._make(values, self.labels)

    def _make(self, values: tuple[Label, ...], labels: tuple[str, ...]) -> Recorder:
        if len(values) != len(labels):
            raise TypeError(f"{self.name}: found {len(values)} values, expected {labels}")
        family = self._family
        if family is None:
            family = self._family = _current.family(self.spec(_current), self.limit)
        attributes = {
            label: value
            for label, value in zip(labels, values, strict=True)
            if value is not None and value != ""
        }
        key = identity(attributes)
        made = family.recorder(key, attributes)
        if family.series.get(key) is made:
            self._bound[values] = made
        return made

    def spec(self, recording: Recording) -> Spec:
        """The descriptor's fields in `recording`."""
        bounds = self.buckets
        if self.kind == "histogram":
            bounds = recording.bounds(self.name, bounds, self.unit)
        return Spec(self.name, self.kind, self.unit, self.help, bounds, self.merge)

    def forget(self) -> None:
        """Drops what is bound, since another recording begins."""
        self._bound.clear()
        self._family = None


class Counter(Metric):
    """A sum that only grows."""

    kind = "counter"


class UpDownCounter(Metric):
    """A sum that also falls; what a process added vanishes with it."""

    kind = "updowncounter"


class Gauge(Metric):
    """A value that is set; `merge` says what several processes' values make: "sum", "max", "min",
    "last", "least": the smallest of those that were set at about the time of the last one, or
    "ever": the largest, of those that have ended too."""

    kind = "gauge"

    def __init__(self, name: str, *, merge: str, **rest: Any) -> None:
        rules = ("sum", "max", "min", "last", "least", "ever")
        if merge not in rules:
            expected = f"expected one of {', '.join(rules)}"
            raise ValueError(f"{name}: found merge {merge!r}, {expected}")
        self.merge = merge
        super().__init__(name, **rest)

    def waiting_at(self, inode: int, *values: Label) -> None:
        """Has the exporter tell, in the series with these label values, how many connections wait
        at the listening socket with this inode, and at others of this series, while we live; 0 are
        all at which this process listens."""
        self._make((*values, inode), (*self.labels, SOCKET))


class Histogram(Metric):
    """Values counted by size; `buckets` are the upper edges, rising, without +Inf."""

    kind = "histogram"

    def __init__(self, name: str, *, buckets: tuple[float, ...], **rest: Any) -> None:
        if list(buckets) != sorted(set(buckets)):
            raise ValueError(f"{name}: found buckets {buckets}, expected rising ones")
        self.buckets = buckets
        super().__init__(name, **rest)


class Recording:
    """Where declared metrics record: a shard, the series limit, and the buckets that settings put
    in place of declared ones."""

    def __init__(
        self,
        shard: Shard | None = None,
        limit: int = SERIES_LIMIT,
        buckets: Callable[[str, str], tuple[float, ...] | None] | None = None,
    ) -> None:
        self._shard = shard
        self.limit = limit
        self.buckets = buckets

    @property
    def shard(self) -> Shard:
        """The shard; one in memory alone as long as nothing else was set up."""
        if self._shard is None:
            made = Shard(None)
            if self._shard is None:  # Else another thread was faster.
                self._shard = made
        return self._shard

    def family(self, spec: Spec, limit: int | None = None, maker: Maker | None = None) -> Family:
        """The series of the metric `spec` in this recording; `limit` may be lower than its own."""
        most = self.limit if limit is None else min(limit, self.limit)
        return Family(self.shard, spec, most, _overflowed, maker)

    def bounds(self, name: str, declared: tuple[float, ...], unit: str = "") -> tuple[float, ...]:
        """The bucket edges of the histogram `name`: those of the settings before the declared."""
        chosen = self.buckets(name, unit) if self.buckets else None
        return declared if chosen is None else chosen


def _overflowed(family: Family) -> None:
    name = family.spec.name
    if name == OVERFLOWS.name:
        return
    widest = _widest.get(name)
    if widest is None:  # Once: it reads every series.
        values: dict[str, set[Any]] = {}
        keys: Any = family.series
        for _, pairs in keys:  # As `identity` makes them.
            for label, value in pairs:
                values.setdefault(label, set()).add(value)
        widest = max(values, key=lambda label: len(values[label]), default="")
        _widest[name] = widest
    OVERFLOWS.bind(name, widest)(1)


def use(recording: Recording) -> None:
    """Makes declared metrics record into `recording` from here on; everything bound before is
    forgotten."""
    global _current
    _current = recording
    _widest.clear()
    for metric in _declared:
        metric.forget()
    for kept in _caches:
        kept.clear()


def recording() -> Recording:
    """Where declared metrics record now."""
    return _current


def cache() -> dict[Any, Any]:
    """A dict for recorders that a convention keeps; emptied when another recording begins."""
    made: dict[Any, Any] = {}
    _caches.append(made)
    return made


def declared() -> list[Metric]:
    """All metrics of the conventions imported so far: the catalogue."""
    return list(_declared)


_declared: list[Metric] = []
_caches: list[dict[Any, Any]] = []
_widest: dict[str, str] = {}  # Of metrics that overflowed: the label with most values.
_current = Recording()

OVERFLOWS = Counter(
    "monagent.series.overflow",
    unit="{measurement}",
    help="Measurements that went to a metric's overflow series because its series limit was "
    "reached, with the label that has most values.",
    labels=("metric", "label"),
)
