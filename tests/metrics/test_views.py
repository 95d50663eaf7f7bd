"""Views: what the differential test does not reach, and where we do otherwise than the SDK."""

from __future__ import annotations

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)

from monagent.metrics import Recording
from monagent.metrics.provider import MeterProvider
from monagent.store.shard import Shard
from tests.metrics.said import instruments, said


def test_an_exponential_histogram_becomes_one_with_explicit_buckets(
    shard: Shard, capfd: pytest.CaptureFixture[str]
) -> None:
    """Those that were advised, and one line says so."""
    views = [View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())]
    meter = MeterProvider(views=views).get_meter("app")
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2]).record(1.5)

    assert said(shard) == {"h": {(): [1.5, 0, 1, 0, 1.5, 1.5]}}
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "h: found a view with an exponential histogram, which monagent has not" in lines[0]


def test_a_view_of_a_callback_cannot_make_a_histogram(
    shard: Shard, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is not applied, and one line says so."""
    views = [View(instrument_name="*", aggregation=ExplicitBucketHistogramAggregation())]
    provider = MeterProvider(views=views)
    provider.get_meter("app").create_observable_gauge("g", [lambda options: [api.Observation(1)]])
    provider.force_flush()
    provider.shutdown()

    assert said(shard) == {"g": {(): 1}}
    assert capfd.readouterr().err.count("g: a view makes a histogram of callbacks") == 1


def test_a_views_edges_come_before_the_settings(shard: Shard) -> None:
    """A view without edges leaves it to the settings."""
    recording = Recording(shard, buckets=lambda *_: (7.0,))
    views = [
        View(instrument_name="a", aggregation=ExplicitBucketHistogramAggregation([3.0])),
        View(instrument_name="b", description="Viewed."),
    ]
    meter = MeterProvider(recording, views).get_meter("app")
    for name in "ab":
        meter.create_histogram(name).record(1)
    found = instruments(shard)

    assert {name: one.bounds for name, one in found.items()} == {"a": (3.0,), "b": (7.0,)}
    assert found["b"].help == "Viewed."


def test_what_is_dropped_costs_no_series(shard: Shard) -> None:
    """All but one metric."""
    views = [
        View(instrument_name="*", aggregation=DropAggregation()),
        View(instrument_name="kept"),
    ]
    meter = MeterProvider(views=views).get_meter("app")
    for name in ("kept", "dropped"):
        meter.create_counter(name).add(1, {"a": "x"})

    assert said(shard) == {"kept": {"x": 1}}


def test_the_limit_holds_for_what_a_view_leaves(shard: Shard) -> None:
    """Attributes that a view takes away make no series."""
    views = [View(instrument_name="*", attribute_keys={"a"})]
    meter = MeterProvider(Recording(shard, limit=3), views).get_meter("app")
    counter = meter.create_counter("c")
    for number in range(10):
        counter.add(1, {"a": str(number % 2), "b": number})

    assert said(shard) == {"c": {"0": 5, "1": 5}}
