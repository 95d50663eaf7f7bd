"""monagent in a program of one's own: readers get what was recorded, here and in children."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)
from opentelemetry.sdk.resources import Resource

from monagent.embedding import MeterProvider
from monagent.metrics import Recording
from monagent.store.shard import Shard

DELTA: dict[type, AggregationTemporality] = dict.fromkeys(
    (sdk.Counter, sdk.Histogram), AggregationTemporality.DELTA
)


@pytest.fixture
def recording() -> Iterator[Recording]:
    """A recording of one's own, in memory."""
    shard = Shard(None)
    yield Recording(shard)
    shard.close()


def points(data: MetricsData | None) -> dict[str, list[object]]:
    """By metric, the value, or count, sum, smallest and largest of each point."""
    found: dict[str, list[object]] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    told: object = getattr(point, "value", None)
                    if told is None:
                        told = (point.count, point.sum, point.min, point.max)  # type: ignore[union-attr]
                    found.setdefault(metric.name, []).append(told)
    return found


def test_a_reader_is_told_who_and_since_when(recording: Recording) -> None:
    """Resource, scope, and times that make sense."""
    reader = InMemoryMetricReader()
    resource = Resource({"service.name": "mine"}, "http://resource")
    provider = MeterProvider(recording, metric_readers=[reader], resource=resource)
    provider.get_meter("app", "1", "http://scope", {"k": "v"}).create_counter("c").add(1)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    (found,) = data.resource_metrics
    (scope,) = found.scope_metrics
    (point,) = scope.metrics[0].data.data_points

    assert (found.resource, found.schema_url) == (resource, "http://resource")
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("app", "1", "http://scope")
    assert dict(scope.scope.attributes or {}) == {"k": "v"}
    assert 0 < point.start_time_unix_nano <= point.time_unix_nano


def test_without_measurements_there_is_nothing(recording: Recording) -> None:
    """An instrument that nobody used is no metric."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(recording, metric_readers=[reader])
    provider.get_meter("app").create_counter("c")

    assert reader.get_metrics_data() is None
    provider.shutdown()


def test_readers_that_want_differences_do_not_disturb_each_other(recording: Recording) -> None:
    """Each gets what happened since its own last look, extremes too."""
    readers = [InMemoryMetricReader(DELTA), InMemoryMetricReader(DELTA), InMemoryMetricReader()]
    provider = MeterProvider(recording, metric_readers=readers)
    record = provider.get_meter("app").create_histogram("h").record
    told = []
    for values, which in (((5, 7), 0), ((1,), 0), ((9,), 1), ((6,), 0), ((), 1), ((), 2)):
        for value in values:
            record(value)
        told.append(points(readers[which].get_metrics_data()).get("h"))
    provider.shutdown()

    assert told == [
        [(2, 12, 5, 7)],
        [(1, 1, 1, 1)],
        [(4, 22, 1, 9)],
        [(2, 15, 6, 9)],
        [(1, 6, 6, 6)],
        [(5, 28, 1, 9)],
    ]


def test_a_readers_preferred_buckets_hold(
    recording: Recording, capfd: pytest.CaptureFixture[str]
) -> None:
    """Those of the first reader for all; that they differ is said."""
    edges = [ExplicitBucketHistogramAggregation([3.0]), ExponentialBucketHistogramAggregation()]
    readers = [InMemoryMetricReader(preferred_aggregation={sdk.Histogram: one}) for one in edges]
    provider = MeterProvider(recording, metric_readers=readers)
    provider.get_meter("app").create_histogram("h").record(1)
    told = [points(reader.get_metrics_data()) for reader in readers]
    (stream,) = provider.streams
    provider.shutdown()

    assert stream.spec.bounds == (3.0,)
    assert told == [{"h": [(1, 1, 1, 1)]}] * 2
    assert capfd.readouterr().err.count("readers that prefer different aggregations") == 1


PROGRAM = """
import os, sys, time
from opentelemetry.sdk.metrics import Histogram, Counter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality, InMemoryMetricReader, MetricExporter, MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from monagent.embedding import MeterProvider
from monagent.metrics import Recording
from tests.test_embedding import points

class Printer(MetricExporter):
    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        print(points(metrics_data), flush=True)
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=10_000):
        return True
    def shutdown(self, timeout_millis=30_000, **kwargs):
        print("end", flush=True)

DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
"""


def run(code: str) -> list[str]:
    """Runs a program that embeds monagent, and what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM + code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_the_last_values_are_exported_when_the_program_ends() -> None:
    """A periodic reader, and nobody calls shutdown."""
    lines = run(
        """
reader = PeriodicExportingMetricReader(Printer(), export_interval_millis=1e9)
counter = MeterProvider(Recording(), metric_readers=[reader]).get_meter("app").create_counter("c")
counter.add(3)
reader.force_flush()
counter.add(4)
"""
    )

    assert lines == ["{'c': [3.0]}", "{'c': [7.0]}", "end"]


def test_a_child_tells_its_own_numbers_only() -> None:
    """Neither totals nor differences nor extremes of the parent."""
    lines = run(
        """
readers = [InMemoryMetricReader(), InMemoryMetricReader(DELTA)]
# A given resource, since the SDK looks for one with threads.
meter = MeterProvider(Recording(), (), readers, Resource({}), False).get_meter("app")
counter, histogram = meter.create_counter("c"), meter.create_histogram("h")
counter.add(5); histogram.record(1.0); histogram.record(100.0)
readers[1].collect()
if os.fork() == 0:
    counter.add(1); histogram.record(7.0)
    for reader in readers:
        print(points(reader.get_metrics_data()), flush=True)
    os._exit(0)
os.wait()
counter.add(1); histogram.record(50.0)
for reader in readers:
    print(points(reader.get_metrics_data()), flush=True)
"""
    )

    assert lines == [
        "{'c': [1.0], 'h': [(1, 7.0, 7.0, 7.0)]}",
        "{'c': [1.0], 'h': [(1, 7.0, 7.0, 7.0)]}",
        "{'c': [6.0], 'h': [(3, 151.0, 1.0, 100.0)]}",
        "{'c': [1.0], 'h': [(1, 50.0, 50.0, 50.0)]}",
    ]
