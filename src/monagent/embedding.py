"""monagent inside a program or a test of yours: a meter provider whose numbers any OpenTelemetry
SDK reader can have.

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])

A reader is given this process's numbers, cumulative or as differences, as it prefers.  Numbers are
doubles, there are no exemplars, and a difference of zero is left out.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricReader,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import DefaultAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from monagent import guard
from monagent.clock import time_ns
from monagent.exporter import otel
from monagent.metrics import Recording, provider, sampler
from monagent.metrics.streams import Point, Stream
from monagent.metrics.views import sdk_class
from monagent.store.reader import Instrument

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.view import View

    from monagent.metrics.recorders import Recorder

DELTA = AggregationTemporality.DELTA
NOTHING = (float("inf"), float("-inf"))


class MeterProvider(provider.MeterProvider):
    """A meter provider with readers.

    Args:
        recording: where to record; None: where monagent records in this process.
        views: SDK views.
        metric_readers: SDK readers; aggregations that they prefer hold for all of them.
        resource: what the metrics are of.
        shutdown_on_exit: whether readers get the last values when the program ends.
    """

    def __init__(
        self,
        recording: Recording | None = None,
        views: Sequence[View] = (),
        metric_readers: Sequence[MetricReader] = (),
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
    ) -> None:
        super().__init__(recording, views)
        self._resource = Resource.create({}) if resource is None else resource
        self._readers = {reader: _Reader(reader) for reader in metric_readers}
        self.takes_extremes = any(one.wants_differences for one in self._readers.values())
        self.preferred = _preferred(metric_readers)
        for reader in metric_readers:
            reader._set_collect_callback(self.collect)  # type: ignore[arg-type]  # declared wrongly
            if hasattr(reader, "_set_meter_provider"):  # Since 1.39.
                reader._set_meter_provider(self)
        _living.add(self)
        if shutdown_on_exit:
            atexit.register(self.shutdown)

    def collect(
        self,
        reader: MetricReader,
        timeout_millis: float = 10_000,  # noqa: ARG002 - callbacks get the SDK's default
    ) -> MetricsData | None:
        """What `reader` is given now; None when there is nothing."""
        asking = self._readers[reader]
        told: dict[Stream, dict[Recorder, float]] = {}
        with sampler.turn():
            self.observe()
            for observable in self.observables:
                told.update(observable.told)
            now = time_ns()
            metrics = []
            for stream in list(self.streams):
                points = self._points(stream, told.get(stream))
                scope = InstrumentationScope(*stream.described.scope)
                metrics.append((scope, asking.metric(stream, points, now)))
        found = otel.gather(self._resource, metrics)
        return found if found.resource_metrics[0].scope_metrics else None

    def _points(
        self, stream: Stream, told: dict[Recorder, float] | None
    ) -> list[tuple[Point, list[float]]]:
        found = []
        for recorder, point in list(stream.points.items()):
            if told is None or recorder in told:
                cells, low, high = point.take(stream.shard, stream.width)
                for one in self._readers.values():
                    one.widen(stream, point, low, high)
                found.append((point, cells))
        return found

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Has every reader collect now."""
        done = [reader.force_flush(timeout_millis) for reader in self._readers]
        return all(done)

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Has every reader collect for the last time."""
        if self._ended:
            return
        atexit.unregister(self.shutdown)
        for reader in self._readers:
            reader.shutdown(timeout_millis)
        super().shutdown(timeout_millis)

    def forget(self) -> None:
        """In a forked child: what readers saw in the parent is no part of the child's numbers."""
        for one in self._readers.values():
            one.forget()
        for stream in self.streams:
            for point in stream.points.values():
                point.start = time_ns()
                if point.extremes:
                    point.extremes[:] = NOTHING


class _Seen:
    """What a reader saw of a series: its cells when it last looked, and the extremes since."""

    __slots__ = ("cells", "high", "low", "since")

    def __init__(self, since: int, width: int) -> None:
        self.since = since
        self.cells = [0.0] * width
        self.low, self.high = NOTHING


class _Reader:
    """What one reader wants and has seen."""

    def __init__(self, reader: MetricReader) -> None:
        self._temporality: Any = reader._instrument_class_temporality
        self._seen: dict[Point, _Seen] = {}

    @property
    def wants_differences(self) -> bool:
        return DELTA in self._temporality.values()

    def forget(self) -> None:
        self._seen.clear()

    def widen(self, stream: Stream, point: Point, low: float, high: float) -> None:
        """Takes note of extremes that a look, of whichever reader, has taken from the series."""
        if self.wants_differences:
            seen = self._of(stream, point)
            seen.low = min(seen.low, low)
            seen.high = max(seen.high, high)

    def _of(self, stream: Stream, point: Point) -> _Seen:
        seen = self._seen.get(point)
        if seen is None:
            seen = self._seen[point] = _Seen(point.start, stream.width)
        return seen

    def metric(
        self, stream: Stream, points: Iterable[tuple[Point, list[float]]], now: int
    ) -> Metric | None:
        spec = stream.spec
        temporality = self._temporality[sdk_class(stream.described.of)]
        found = []
        for point, cells in points:
            if temporality is DELTA:
                shown = self._difference(stream, point, cells, now)
            else:
                shown = otel.Point(point.attributes, cells, point.start)
            if shown is not None:
                found.append(shown)
        instrument = Instrument(
            spec.name, spec.kind, spec.unit, spec.help, spec.bounds, spec.merge, spec.minmax
        )
        return otel.metric(instrument, found, now, temporality, NOTHING)

    def _difference(
        self, stream: Stream, point: Point, cells: list[float], now: int
    ) -> otel.Point | None:
        seen = self._of(stream, point)
        kind = stream.spec.kind
        before, since = seen.cells, seen.since
        seen.cells, seen.since = cells, now
        if cells == before and not stream.described.observed:
            return None
        if kind == "gauge":
            return otel.Point(point.attributes, cells, since)
        change = [one - other for one, other in zip(cells, before, strict=True)]
        if stream.spec.minmax:
            change[-2:] = [seen.low, seen.high]
            seen.low, seen.high = NOTHING
        return otel.Point(point.attributes, change, since)


def _preferred(readers: Iterable[MetricReader]) -> Mapping[type, Any]:
    """The aggregations that readers prefer to the default ones: those of the first that has any."""
    wanted: list[dict[type, Any]] = []
    for reader in readers:
        preferred: Any = reader._instrument_class_aggregation
        wanted.append(
            {
                kind: aggregation
                for kind, aggregation in preferred.items()
                if not isinstance(aggregation, DefaultAggregation)
            }
        )
    if any(one != wanted[0] for one in wanted):
        guard.say("found readers that prefer different aggregations; those of the first one hold")
    return next((one for one in wanted if one), {})


_living: weakref.WeakSet[MeterProvider] = weakref.WeakSet()


def _forked() -> None:
    for one in list(_living):
        one.forget()


os.register_at_fork(after_in_child=_forked)
