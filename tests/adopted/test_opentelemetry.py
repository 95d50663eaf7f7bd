"""OpenTelemetry: what the application records by its API or its SDK, we record alike."""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from monagent.instrument import status
from monagent.metrics.provider import MeterProvider
from monagent.store.reader import Instrument, ShardFile
from tests.http_client.numbers import Numbers

Points = dict[tuple[str, frozenset[tuple[str, Any]]], list[float]]


class Application:
    """An application with a meter of the SDK, and what its own reader is told."""

    def __init__(self, *views: View) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = sdk.MeterProvider(metric_readers=[self.reader], views=views)
        self.meter = self.provider.get_meter("shop", "1.2")

    def points(self) -> Points:
        """Name and attributes to the value, or to sum and buckets."""
        data = self.reader.get_metrics_data()
        found: Points = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points: list[Any] = [*metric.data.data_points]
                    for point in points:
                        key = metric.name, frozenset(dict(point.attributes or {}).items())
                        if hasattr(point, "bucket_counts"):
                            found[key] = [point.sum, *point.bucket_counts]
                        else:
                            found[key] = [point.value]
        return found


def ours(numbers: Numbers) -> Points:
    """What the shard has, in the same form."""
    file = ShardFile(numbers.shard.snapshot())
    cells = file.values()
    found: Points = {}
    for one in file.series:
        kind = one.instrument.kind
        width = len(one.instrument.bounds) + 2 if kind == "histogram" else 1
        stamped = kind != "gauge" or cells[one.index + 1]
        if stamped and one.instrument.scope[0] == "shop":
            key = one.instrument.name, frozenset(one.attributes.items())
            found[key] = [*cells[one.index : one.index + width]]
    return found


def instrument(numbers: Numbers, name: str) -> Instrument:
    """What the shard says of a metric."""
    file = ShardFile(numbers.shard.snapshot())
    return next(one.instrument for one in file.series if one.instrument.name == name)


@pytest.fixture
def app() -> Iterable[Application]:
    """Without views."""
    made = Application()
    yield made
    made.provider.shutdown()


@pytest.mark.parametrize("seed", range(3))
def test_the_sdks_instruments_count_alike(numbers: Numbers, app: Application, seed: int) -> None:
    """All that are told, by any attributes, by position and by name."""
    chance = random.Random(seed)
    tell: list[Any] = [
        app.meter.create_counter("Orders", "{order}", "Orders.").add,
        app.meter.create_gauge("level").set,
        app.meter.create_up_down_counter("busy").add,
        app.meter.create_histogram("size", "By", "Sizes.").record,
    ]
    for _ in range(200):
        one, amount = chance.choice(tell), chance.choice([0, 1, 2.5, 5, 7000, 20000])
        attributes: Any = chance.choice([None, {}, {"k": "a"}, {"k": "b", "n": 2}, {"on": True}])
        if chance.random() < 0.5:
            one(amount, attributes)
        else:
            one(amount=amount, attributes=attributes)

    assert ours(numbers) == app.points()
    described = instrument(numbers, "orders")
    assert (described.unit, described.help) == ("{order}", "Orders.")
    assert described.scope == ("shop", "1.2", "")


def test_views_of_the_applications_provider_hold(numbers: Numbers) -> None:
    """Buckets, attributes, names, and what is to be dropped."""
    app = Application(
        View(
            instrument_name="took",
            name="took.long",
            attribute_keys={"k"},
            aggregation=ExplicitBucketHistogramAggregation((1, 2)),
        ),
    )
    took = app.meter.create_histogram("took")
    took.record(1.5, {"k": "a", "user": 1})
    took.record(3, {"k": "a", "user": 2})
    app.meter.create_counter("other").add(1)

    assert ours(numbers) == app.points()
    assert instrument(numbers, "took.long").bounds == (1.0, 2.0)
    app.provider.shutdown()


def test_the_api_alone_is_enough(numbers: Numbers, caplog: pytest.LogCaptureFixture) -> None:
    """As long as there is no provider; one that comes later takes over, and nothing is twice."""
    proxies = _ProxyMeterProvider()
    meter = proxies.get_meter("shop", "1.2")
    orders = meter.create_counter("orders")
    sizes = meter.create_histogram("sizes")
    busy = meter.create_up_down_counter("busy")
    orders.add(2, {"k": "a"})
    sizes.record(7)
    busy.add(3)
    busy.add(-1)
    alone = ours(numbers)
    app = Application()
    proxies.on_set_meter_provider(app.provider)
    orders.add(3, {"k": "a"})
    busy.add(5)

    assert alone["orders", frozenset({("k", "a")})] == [2.0]
    assert sum(alone["sizes", frozenset()][1:]) == 1.0
    assert ours(numbers)["orders", frozenset({("k", "a")})] == [5.0]
    assert ours(numbers)["busy", frozenset()] == [7.0]
    assert app.points()["orders", frozenset({("k", "a")})] == [3]
    assert caplog.records == []
    app.provider.shutdown()


def test_a_provider_that_does_nothing_is_the_applications_choice(numbers: Numbers) -> None:
    """What it is told goes nowhere."""
    proxies = _ProxyMeterProvider()
    orders = proxies.get_meter("shop").create_counter("orders")
    proxies.on_set_meter_provider(api.NoOpMeterProvider())
    orders.add(2)

    assert ours(numbers) == {}


def test_what_the_sdk_refuses_is_not_counted(
    numbers: Numbers, app: Application, capfd: pytest.CaptureFixture[str]
) -> None:
    """And is told by the SDK alone."""
    orders, sizes = app.meter.create_counter("orders"), app.meter.create_histogram("sizes")
    alone = _ProxyMeterProvider().get_meter("shop").create_counter("alone")
    busy = app.meter.create_up_down_counter("busy")
    logging.disable()
    for amount in (-1, 2):
        orders.add(amount)
        sizes.record(amount)
        alone.add(amount)
        busy.add(amount)
    with pytest.raises(TypeError):
        orders.add("one")  # type: ignore[arg-type]  # the mistake
    logging.disable(logging.NOTSET)

    found = ours(numbers)
    assert found.pop(("alone", frozenset())) == [2.0]
    assert found == app.points()
    assert capfd.readouterr().err == ""


def test_callbacks_are_called_by_the_applications_readers_alone(
    numbers: Numbers, app: Application
) -> None:
    """As often as without us, and what they tell the reader is what we have."""
    rounds = [{"a": 1, "b": 2}, {"a": 4}]
    calls = []

    def tell(_: api.CallbackOptions) -> Iterable[api.Observation]:
        calls.append(1)
        for key, value in rounds[len(calls) % 2].items():
            yield api.Observation(value, {"k": key})

    app.meter.create_observable_gauge("level", [tell])
    before = ours(numbers)
    first, mine = app.points(), ours(numbers)
    second, then = app.points(), ours(numbers)

    assert (before, len(calls)) == ({}, 2)
    assert first == mine == {("level", frozenset({("k", "a")})): [4]}
    assert (
        second
        == then
        == {("level", frozenset({("k", key)})): [value] for key, value in rounds[0].items()}
    )


def test_observed_totals_are_totals(numbers: Numbers, app: Application) -> None:
    """A counter's and an up/down counter's value takes the place of the last one."""
    total = [5]

    def tell(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(total[0])]

    app.meter.create_observable_counter("grows", [tell])
    app.meter.create_observable_up_down_counter("moves", [tell])
    app.points()
    total[0] = 9
    theirs = app.points()

    assert ours(numbers) == theirs == {("grows", frozenset()): [9], ("moves", frozenset()): [9]}


def test_metrics_with_names_of_ours_and_the_sdks_own_are_left_out(
    numbers: Numbers, app: Application, capfd: pytest.CaptureFixture[str]
) -> None:
    """An instrumentor of the application's counts the calls that we count."""
    app.meter.create_histogram("http.server.request.duration", "s").record(1)
    app.meter.create_observable_gauge("process.uptime", [lambda _: [api.Observation(1)]], "s")
    app.provider.get_meter("opentelemetry-sdk").create_counter("otel.sdk.exported").add(1)
    app.points()

    assert ours(numbers) == {}
    assert numbers.series("otel.sdk.exported") == []
    assert capfd.readouterr().err.splitlines() == [
        f"monagent: {name}: not adopted, since monagent has a metric of this name"
        for name in ("http.server.request.duration", "process.uptime")
    ]


def test_our_own_instruments_record_once(numbers: Numbers, tmp_path: Path) -> None:
    """Those of our meter provider, and so the back ends that record by it."""
    MeterProvider().get_meter("shop").create_counter("orders").add(2)
    assert ours(numbers) == {("orders", frozenset()): [2.0]}

    back_end = pytest.importorskip("tests.http.test_otel")
    assert sum(back_end.recorded(tmp_path / "theirs", "otel").values()) == len(back_end.REQUESTS)


def test_attributes_without_a_bound_have_ours(numbers: Numbers, app: Application) -> None:
    """Beyond the limit measurements add up in the overflow series; the SDK has its own limit."""
    visits = app.meter.create_counter("visits")
    for user in range(200):
        visits.add(1, {"user": user})

    assert len(numbers.series("visits")) == 50
    assert numbers.total("visits") == sum(value for (value,) in app.points().values()) == 200


def test_what_is_wrapped_looks_as_before(numbers: Numbers) -> None:
    """Signatures and kinds; the status tells the version of the API."""
    assert [*inspect.signature(sdk.Counter.add).parameters][:3] == ["self", "amount", "attributes"]
    assert sdk.Histogram.record.__qualname__ == "Histogram.record"
    assert not hasattr(api.NoOpCounter.add, "__wrapped__")
    found = status.known["otel"]
    assert (found.state, found.reason) == (status.ADOPTED, "metrics of the application's own")
    assert found.version.startswith("1.")
