"""A stream: what becomes of one instrument's measurements, as one family of series in the shard.

Without views an instrument has one stream; views make it none, another or several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monagent.clock import time_ns
from monagent.metrics.declared import Recording
from monagent.metrics.family import Spec
from monagent.metrics.recorders import INFINITY, observer_since, placer, recorder
from monagent.store import layout
from monagent.store.attributes import identity

if TYPE_CHECKING:
    from monagent.metrics.recorders import Recorder
    from monagent.store.asleep import View
    from monagent.store.shard import Shard

# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation
DEFAULT_BOUNDS = (
    *(0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0),
    *(1000.0, 2500.0, 5000.0, 7500.0, 10000.0),
)

KINDS = {
    "Counter": "counter",
    "UpDownCounter": "updowncounter",
    "Histogram": "histogram",
    "Gauge": "gauge",
    "ObservableCounter": "counter",
    "ObservableUpDownCounter": "updowncounter",
    "ObservableGauge": "gauge",
}
"""The store's kind for each of the API's instruments."""


class Described:
    """An instrument as its creator described it.

    Attributes:
        of: its class in the API: a key of KINDS.
        advised: the bucket edges that its creator advised, or None.
        scope: the meter's name, version, schema URL and attributes.
    """

    __slots__ = ("advised", "description", "name", "of", "scope", "unit")

    def __init__(
        self,
        of: str,
        name: str,
        unit: str,
        description: str,
        scope: tuple[str, str | None, str | None, Mapping[str, Any] | None],
        advised: tuple[float, ...] | None = None,
    ) -> None:
        self.of = of
        self.name = name
        self.unit = unit
        self.description = description
        self.scope = scope
        self.advised = advised

    @property
    def observed(self) -> bool:
        """Whether callbacks tell its value."""
        return self.of.startswith("Observable")

    def spec(self, kind: str, bounds: tuple[float, ...] = (), minmax: bool = True) -> Spec:
        """The descriptor of its only stream, as a metric of `kind`."""
        name, version, schema_url, _ = self.scope
        return Spec(
            self.name,
            kind,
            self.unit,
            self.description,
            bounds,
            "last" if kind == "gauge" else "sum",
            minmax and kind == "histogram",
            (name, version or "", schema_url or ""),
        )

    def default(self, recording: Recording) -> Spec:
        """The descriptor of its only stream, where no view says otherwise."""
        kind = KINDS[self.of]
        if kind != "histogram":
            return self.spec(kind)
        advised = DEFAULT_BOUNDS if self.advised is None else self.advised
        return self.spec(kind, recording.bounds(self.name, advised, self.unit))


class Point:
    """One series of a stream, in this process.

    Attributes:
        extremes: smallest and largest value since somebody took them; None where nobody asks.
    """

    __slots__ = ("attributes", "extremes", "index", "start")

    def __init__(
        self, attributes: Mapping[str, Any], index: int, extremes: list[float] | None
    ) -> None:
        self.attributes = attributes
        self.index = index
        self.start = time_ns()
        self.extremes = extremes

    def take(self, shard: Shard, width: int) -> tuple[list[float], float, float]:
        """The cells as they are now, and the extremes since the last taking."""
        shard.awake()
        own = slice(self.index, self.index + width)
        extremes = self.extremes or [INFINITY, -INFINITY]
        # No call between these lines: whatever the cells count, the extremes know.
        view: Any = shard.mem[0]
        cells = [*view[own]]
        smallest, largest = extremes[0], extremes[1]
        extremes[0] = INFINITY
        extremes[1] = -INFINITY
        return cells, smallest, largest


class Stream:
    """The series of `spec` that one instrument's measurements go to.

    Args:
        keys: the attributes that are kept; None: all.
        takes_extremes: whether somebody will ask for extremes since he last asked.
    """

    def __init__(
        self,
        recording: Recording,
        described: Described,
        spec: Spec,
        keys: frozenset[str] | None = None,
        takes_extremes: bool = False,
    ) -> None:
        self.described = described
        self.spec = spec
        self.width = layout.width(spec.kind, len(spec.bounds), spec.minmax)
        self.shard = recording.shard
        self.points: dict[Recorder, Point] = {}
        self._keys = keys
        self._takes_extremes = takes_extremes and spec.minmax
        self._family = recording.family(spec, maker=self._made)

    def recorder(self, attributes: Mapping[str, Any]) -> tuple[Recorder, bool]:
        """What records the series of these clean attributes, and whether it may be kept."""
        if self._keys is not None:
            attributes = {key: attributes[key] for key in attributes if key in self._keys}
        key = identity(attributes)
        made = self._family.recorder(key, attributes)
        return made, self._family.series.get(key) is made

    def _made(self, mem: list[View], index: int, attributes: Mapping[str, Any]) -> Recorder:
        spec = self.spec
        extremes = None
        if self._takes_extremes:
            extremes = [INFINITY, -INFINITY]
            made = observer_since(mem, index, spec.bounds, extremes)
        elif self.described.observed and spec.kind != "gauge":
            made = placer(mem, index)
        else:
            made = recorder(spec.kind, mem, index, spec.bounds, spec.minmax)
        self.points[made] = Point(attributes, index, extremes)
        return made

    def withdraw(self, recorder: Recorder) -> None:
        """Takes back what an observed series told, since it is told no more."""
        point = self.points.get(recorder)
        if point is not None and self.spec.kind != "counter":
            # Of a gauge, the time of its last change: 0 is for one that was never set.
            index = point.index + 1 if self.spec.kind == "gauge" else point.index
            self.shard.awake()[index] = 0.0
