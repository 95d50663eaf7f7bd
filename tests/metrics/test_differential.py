"""Whatever is recorded, in whatever order, readers get the same from us as from the SDK."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics._internal.instrument import Gauge
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
    View,
)

from monagent.metrics import sampler
from tests.metrics.twins import (
    DELTA,
    KINDS,
    Source,
    Twin,
    Twins,
    a_value,
    an_attribute,
    some_attributes,
)

OPERATIONS = 400
SCOPES: list[tuple[Any, ...]] = [
    ("app", "1", "http://schema/1"),
    ("app", "2", None),
    ("lib",),
    ("lib", None, None, {"k": "v", "n": 1}),
]
NAMES = ("requests", "Requests", "http.server.duration", "a", "b", "a/b_c-d.e", "queue")
UNITS = ("", "s", "By", "{thing}")
EDGES: list[Any] = [None, None, [1, 5, 10], [0.5, 2.5], (100,), [], [-5, 0, 5]]
VIEWS: list[Callable[[], View]] = [
    lambda: View(instrument_name="requests", name="renamed", description="another text"),
    lambda: View(instrument_name="http.*", attribute_keys={"a", "http.route"}),
    lambda: View(instrument_name="A", attribute_keys=set()),
    lambda: View(instrument_type=api.Histogram, aggregation=SumAggregation()),
    lambda: View(instrument_type=sdk.Counter, aggregation=LastValueAggregation()),
    lambda: View(instrument_type=sdk.ObservableGauge, aggregation=SumAggregation()),
    lambda: View(
        instrument_name="?",
        aggregation=ExplicitBucketHistogramAggregation((1, 10, 100), record_min_max=False),
    ),
    lambda: View(
        instrument_type=api.UpDownCounter,
        aggregation=ExplicitBucketHistogramAggregation((-10.0, 0.0, 10.0)),
    ),
    lambda: View(instrument_unit="By", aggregation=DropAggregation()),
    lambda: View(meter_name="lib", instrument_name="*"),
    lambda: View(meter_version="1", instrument_name="queue", name="Queue.Version1"),
    lambda: View(meter_schema_url="http://schema/1", aggregation=DefaultAggregation()),
    lambda: View(instrument_type=api.Histogram, aggregation=ExplicitBucketHistogramAggregation()),
]
EVERY: list[Any] = [
    *(sdk.Counter, sdk.UpDownCounter, sdk.Histogram, Gauge),
    *(sdk.ObservableCounter, sdk.ObservableUpDownCounter, sdk.ObservableGauge),
]
DIFFERENCES: dict[str, Any] = {"preferred_temporality": dict.fromkeys(EVERY, DELTA)}
MIXED: dict[str, Any] = {
    "preferred_temporality": {sdk.Histogram: DELTA, sdk.ObservableCounter: DELTA}
}
PREFERENCES: list[list[dict[str, Any]]] = [
    [{}],
    [DIFFERENCES],
    [MIXED, {}],
    [DIFFERENCES, MIXED],
]


class Session:
    """One application's life, drawn from `seed`."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        views = [make() for make in self.rng.sample(VIEWS, self.rng.choice((0, 0, 1, 3, 6)))]
        preferences = self.rng.choice(PREFERENCES)
        self.twins = Twins(views, preferences)
        self.instruments: list[Twin] = []
        self.sources: list[Source] = []
        # Few sets that come again and again, as in life, and now and then a new one.
        self.usual = [some_attributes(self.rng) for _ in range(12)]

    def create(self) -> None:
        rng = self.rng
        kind = rng.choice(KINDS)
        args: list[Any] = [rng.choice(NAMES), rng.choice(UNITS), rng.choice(("", "What it is."))]
        named: dict[str, Any] = {}
        if kind == "histogram":
            named["explicit_bucket_boundaries_advisory"] = rng.choice(EDGES)
        if kind.startswith("observable"):
            source = Source()
            self.sources.append(source)
            named.update(callbacks=[source], unit=args[1], description=args[2])
            self.twins.make(rng.choice(SCOPES), kind, args[0], **named)
            return
        self.instruments.append(self.twins.make(rng.choice(SCOPES), kind, *args, **named))

    def attributes(self) -> Any:
        rng = self.rng
        return rng.choice(self.usual) if rng.random() < 0.8 else some_attributes(rng)

    def step(self) -> list[str]:
        rng = self.rng
        chance = rng.random()
        if chance < 0.08 or not self.instruments:
            self.create()
        elif chance < 0.12 and self.sources:
            told = [self.attributes() for _ in range(rng.randrange(4))]
            rng.choice(self.sources).observations = [
                Observation(a_value(rng), one) for one in told if isinstance(one, dict | None)
            ]
        elif chance < 0.16:
            return self.twins.differences(rng.randrange(len(self.twins.readers)))
        else:
            rng.choice(self.instruments)(a_value(rng), self.attributes())
        return []


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The SDK warns of every odd value; thousands of lines say nothing more."""
    with caplog.at_level("CRITICAL", logger="opentelemetry"):
        yield


@pytest.mark.parametrize("seed", range(40))
def test_the_same_random_operations_give_the_same_points(seed: int) -> None:
    """All kinds of instruments, attributes, edges, views and temporalities, in any order."""
    session = Session(seed)
    found: list[str] = []
    for _ in range(OPERATIONS):
        found = found or session.step()
    for which in range(len(session.twins.readers)):
        found = found or session.twins.differences(which)
    session.twins.close()

    assert found == []
    assert session.twins.compared > 50


def test_any_single_attribute_value_makes_the_same_series() -> None:
    """A thousand values, each alone: the same keys, types and number of series."""
    rng = random.Random(1)
    twins = Twins()
    counter = twins.make(("app",), "counter", "c")
    for _ in range(1000):
        counter(1, {"v": an_attribute(rng)})
    found = twins.differences()
    twins.close()

    assert found == []
    assert twins.compared > 50


def test_eight_threads_lose_nothing_in_either() -> None:
    """Threads record into shared and own series, make instruments and series at the same time."""
    twins = Twins(preferences=[{}, DIFFERENCES])
    start = threading.Barrier(8)

    def work(number: int) -> None:
        rng = random.Random(number)
        start.wait()
        for turn in range(600):
            counter = twins.make(("app",), "counter", f"c{turn % 5}", "s")
            counter(rng.randrange(8) * 0.25, {"k": rng.randrange(20)})
            histogram = twins.make(("app",), "histogram", "h", "s")
            histogram(rng.randrange(40) * 0.25, {"k": rng.choice("abc")})
            twins.make(("app",), "up_down_counter", "u")(rng.choice((1, -1)), {"t": turn % 7})
            twins.make(("app",), "gauge", "g")(turn, {"own": number})

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    found = [twins.differences(which) for which in (0, 1)]
    twins.close()

    assert found == [[], []]


def test_generators_are_asked_as_callbacks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator waits for each round; one that ends tells nothing more."""
    monkeypatch.setattr(sampler, "watch", lambda look: None)  # It would ask ours once more.
    twins = Twins()

    def told() -> Generator[list[Observation], CallbackOptions, None]:
        yield []
        yield [Observation(1, {"n": 1})]
        yield [Observation(5, {"n": 1}), Observation(2, {"n": 1})]

    for provider in twins.providers:
        meter = provider.get_meter("app")
        meter.create_observable_counter("c", [told()])
    found = [twins.differences() for _ in range(4)]
    twins.close()

    assert found == [[], [], [], []]
    assert twins.compared == 2


def test_a_failing_callback_keeps_what_it_told_before(capfd: pytest.CaptureFixture[str]) -> None:
    """The observations before the error count, the other callbacks too; the error is told once."""
    twins = Twins()

    def fails(options: CallbackOptions) -> Iterator[Observation]:
        yield Observation(1, {"n": "before"})
        raise ValueError("broken")

    def works(options: CallbackOptions) -> list[Observation]:
        return [Observation(2, {"n": "other"})]

    twins.make(("app",), "observable_gauge", "g", [fails, works])
    found = [twins.differences() for _ in range(3)]
    twins.close()

    assert found == [[], [], []]
    assert capfd.readouterr().err.count("g: its callback failed: ValueError: broken") == 1
