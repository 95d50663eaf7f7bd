"""Whatever of ours fails, the application's own numbers are the same."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import generate_latest as text_of

from monagent import guard, metrics
from monagent.instrument import targets
from tests.http_client.numbers import Numbers

pytestmark = pytest.mark.swallows

MODULES = (
    "monagent.conventions._adopted",
    "monagent.integrations._adopted_meters",
    "monagent.integrations._adopted_otel",
    "monagent.integrations._adopted_prometheus_client",
    "monagent.integrations._adopted_prometheus_series",
    "monagent.metrics.attributes",
    "monagent.metrics.declared",
    "monagent.metrics.family",
    "monagent.metrics.instruments",
    "monagent.metrics.observables",
    "monagent.metrics.provider",
    "monagent.metrics.streams",
    "monagent.store.attributes",
)
GUARDS = ("failed", "use")


class Bottom(BaseException):
    """Not even an Exception."""


def reachable() -> list[tuple[Any, str]]:
    """Every function and method of those modules, by its owner and its name."""
    found: list[tuple[Any, str]] = []
    for name in MODULES:
        module: Any = sys.modules[name]
        for own, value in vars(module).items():
            if getattr(value, "__module__", "") != name or own in GUARDS:
                continue
            if inspect.isfunction(value):
                found.append((module, own))
            elif inspect.isclass(value):
                found += [(value, one) for one, f in vars(value).items() if inspect.isfunction(f)]
    return found


def use() -> tuple[Any, ...]:
    """What a program has of its own, by both libraries."""
    return use_prometheus_client(), use_opentelemetry()


def use_opentelemetry() -> list[Any]:
    """What readers of the application are told after every kind of recording."""
    proxies = _ProxyMeterProvider()
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    made = [proxies.get_meter("shop"), provider.get_meter("shop")]
    for round_ in range(2):
        for meter in made:
            meter.create_counter("orders").add(1, {"k": "a"})
            meter.create_up_down_counter("busy").add(-1)
            meter.create_histogram("sizes").record(2)
            meter.create_gauge("level").set(round_)
            meter.create_observable_counter(f"told.{round_}", [lambda _: [Observation(3)]])
        proxies.on_set_meter_provider(provider)
    data = reader.get_metrics_data()
    provider.shutdown()
    found = []
    for scope in data.resource_metrics[0].scope_metrics if data else ():
        for metric in scope.metrics:
            points: list[Any] = [*metric.data.data_points]
            told = [
                (dict(p.attributes), getattr(p, "value", 0), getattr(p, "sum", 0)) for p in points
            ]
            found.append((metric.name, told))
    return found


def use_prometheus_client() -> tuple[str, list[str]]:
    """What a program's own text says after every kind of recording, and what it was refused."""
    registry = CollectorRegistry()
    counter = Counter("orders", "Orders.", ["kind"], registry=registry)
    gauge = Gauge("busy", "Busy.", registry=registry)
    highest = Gauge("high", "High.", registry=registry, multiprocess_mode="max")
    sizes = Histogram("sizes", "Sizes.", registry=registry, buckets=(1, 2))
    times = Summary("times", "Times.", registry=registry)
    build = Info("build", "Build.", registry=registry)
    state = Enum("state", "State.", states=["a", "b"], registry=registry)
    gone = Gauge("gone", "Gone.", ["k"], registry=registry)
    refused = []
    for amount in (1, 2.5):
        counter.labels("new").inc(amount)
        gauge.inc(amount)
        gauge.dec()
        highest.set(amount)
        sizes.observe(amount)
        times.observe(amount)
        build.info({"version": str(amount)})
        state.state("b")
        gone.labels("x").set(amount)
        gone.remove("x")
        gone.labels("y").set(amount)
    gone.clear()
    registry.unregister(state)
    registry.register(state)
    for child, wrong in ((counter, 1), (counter.labels("new"), -1)):
        try:
            child.inc(wrong)
        except ValueError as error:
            refused.append(str(error))
    text = text_of(registry).decode()
    return "\n".join(line for line in text.splitlines() if "_created" not in line), refused


@pytest.mark.parametrize("error", [ValueError, MemoryError, Bottom], ids=lambda kind: kind.__name__)
def test_numbers_stay_the_same_whatever_fails(
    numbers: Numbers, swallowed: list[Any], error: type[BaseException]
) -> None:
    """All functions at once, and each alone; what keeps failing is taken off."""
    expected = use()
    assert numbers.total("orders") == 3.5 + 4

    def fail(*_: Any, **__: Any) -> Any:
        raise error("sabotage")

    noticed = 0
    everything = reachable()
    for broken in (everything, *([one] for one in everything)):
        swallowed.clear()
        guard.forget()
        metrics.use(metrics.recording())  # Everything is bound anew.
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in broken:
                patch.setattr(owner, name, fail)
            assert use() == expected, broken
            noticed += bool(swallowed)

    assert noticed > 20


def test_a_part_that_keeps_failing_is_taken_off(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, swallowed: list[Any]
) -> None:
    """The library's functions are its own again."""
    from monagent.integrations import _adopted_prometheus_client as ours

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("sabotage")

    monkeypatch.setattr(ours, "of", fail)
    counter = Counter("often", "Often.", registry=None)
    for _ in range(100):
        counter.inc()

    assert len(swallowed) == guard.LIMIT
    assert not any(one._done for one in targets.targets["prometheus_client"])
    assert not hasattr(Counter.inc, "__wrapped__")
