"""OpenTelemetry SDK data made of cells: of the merged total for OTLP (`metrics_data`), and of one
process's own for any SDK reader, which `monagent.embedding` puts together with `metric` and
`gather`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from monagent.exporter.table import Target
from monagent.store.reader import Instrument

CUMULATIVE = AggregationTemporality.CUMULATIVE


class Point(NamedTuple):
    """One series: its cells as `layout` has them, and since when they count (unix nanoseconds)."""

    attributes: Mapping[str, Any]
    cells: Sequence[float]
    start: int


def metrics_data(
    targets: Iterable[Target], cells: Sequence[float], resource: Mapping[str, Any], start: float
) -> MetricsData:
    """The merged total: `cells` laid out by `targets`, counted since `start` (unix seconds)."""
    since = int(start * 1e9)
    by_instrument: dict[Instrument, list[Point]] = {}
    for target in targets:
        # While this is made of cells that were read before, others may find further series.
        if target.feeds and target.index + target.width <= len(cells):
            own = cells[target.index : target.index + target.width]
            by_instrument.setdefault(target.instrument, []).append(
                Point(target.attributes, own, since)
            )
    now = time_ns()
    metrics = [(scope(one), metric(one, points, now)) for one, points in by_instrument.items()]
    return gather(Resource(dict(resource)), metrics)


def metric(
    instrument: Instrument,
    points: Iterable[Point],
    now: int,
    temporality: AggregationTemporality = CUMULATIVE,
    unknown: tuple[Any, Any] = (None, None),
) -> Metric | None:
    """The metric of these series, or None when there is nothing to tell.

    Args:
        now: when the cells were read, unix nanoseconds.
        unknown: what to say of the smallest and largest value where they are not kept.
    """
    data: Sum | Gauge | Histogram
    if instrument.kind == "histogram":
        histograms = [_histogram(instrument, point, now, unknown) for point in points]
        data = Histogram(histograms, temporality)
    elif instrument.kind == "gauge":
        # The second cell is the time of the last change: 0 is for one that was never set.
        data = Gauge([_number(point, now) for point in points if point.cells[1]])
    else:
        numbers = [_number(point, now) for point in points]
        data = Sum(numbers, temporality, is_monotonic=instrument.kind == "counter")
    if not data.data_points:
        return None
    return Metric(instrument.name, instrument.help, instrument.unit, data)


def scope(instrument: Instrument) -> InstrumentationScope:
    """Who recorded it."""
    name, version, schema_url = instrument.scope
    return InstrumentationScope(name, version or None, schema_url or None)


def gather(
    resource: Resource, metrics: Iterable[tuple[InstrumentationScope, Metric | None]]
) -> MetricsData:
    """All these metrics of one resource, those of a scope together."""
    by_scope: dict[InstrumentationScope, list[Metric]] = {}
    for by, one in metrics:
        if one is not None:
            by_scope.setdefault(by, []).append(one)
    scopes = [ScopeMetrics(by, found, by.schema_url or "") for by, found in by_scope.items()]
    return MetricsData([ResourceMetrics(resource, scopes, resource.schema_url)])


def _number(point: Point, now: int) -> NumberDataPoint:
    return NumberDataPoint(point.attributes, point.start, now, point.cells[0])


def _histogram(
    instrument: Instrument, point: Point, now: int, unknown: tuple[Any, Any]
) -> HistogramDataPoint:
    behind = len(instrument.bounds) + 2
    buckets = [int(count) for count in point.cells[1:behind]]
    count = sum(buckets)
    low, high = unknown
    if instrument.minmax and count:
        low, high = point.cells[behind], point.cells[behind + 1]
    return HistogramDataPoint(
        attributes=point.attributes,
        start_time_unix_nano=point.start,
        time_unix_nano=now,
        count=count,
        sum=point.cells[0],
        bucket_counts=buckets,
        explicit_bounds=instrument.bounds,
        min=low,
        max=high,
    )
