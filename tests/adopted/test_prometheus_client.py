"""prometheus_client: what the application counts by it, we count alike."""

from __future__ import annotations

import inspect
import math
import random
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary

from monagent.instrument import status
from monagent.store.reader import ShardFile
from tests.http_client.numbers import Numbers

EDGES = (-1.0, 0.5, 2.0, 10.0)


@pytest.fixture
def registry() -> CollectorRegistry:
    """One of the test's own."""
    return CollectorRegistry()


def instrument(numbers: Numbers, name: str) -> Any:
    """What the shard says of a metric."""
    file = ShardFile(numbers.shard.snapshot())
    return next(one.instrument for one in file.series if one.instrument.name == name)


def test_a_counter_counts_alike(numbers: Numbers, registry: CollectorRegistry) -> None:
    """By every way to raise it, by its labels, from zero on."""
    orders = Counter("orders", "Orders.", ["kind", "shop"], registry=registry)
    failures = Counter("failures_total", "Failures.", registry=registry)

    orders.labels("new", "north").inc()
    orders.labels(shop="north", kind="new").inc(2.5)
    orders.labels("old", "south").inc(amount=4)
    with pytest.raises(ValueError, match="x"), failures.count_exceptions():
        raise ValueError("x")
    failures.inc(1)
    Counter("never", "Nothing.", registry=registry)

    assert numbers.values("orders", "kind", "shop") == {
        ("new", "north"): 3.5,
        ("old", "south"): 4.0,
    }
    assert numbers.series("failures") == [({}, [2.0])]
    assert numbers.series("never") == [({}, [0.0])]
    described = instrument(numbers, "orders")
    assert (described.kind, described.help) == ("counter", "Orders.")
    assert described.scope[0] == "prometheus_client"


def test_an_exemplar_goes_to_the_library_alone(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """Ours has none, and counts the same."""
    if "exemplar" not in inspect.signature(Counter.inc).parameters:
        pytest.skip("this release has none")
    counter = Counter("seen", "Seen.", registry=registry)
    sizes = Histogram("size", "Sizes.", registry=registry)

    counter.inc(2, {"trace_id": "1"})
    sizes.observe(3, exemplar={"trace_id": "2"})

    (family,) = counter.collect()
    assert family.samples[0].exemplar is not None
    assert numbers.total("seen") == 2.0
    assert sum(numbers.series("size")[0][1][1:]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_a_histogram_counts_alike(numbers: Numbers, registry: CollectorRegistry, seed: int) -> None:
    """Each bucket, edges and negative values included."""
    chance = random.Random(seed)
    sizes = Histogram("size_bytes", "Sizes.", ["of"], buckets=EDGES, registry=registry)
    for _ in range(200):
        amount = chance.choice([*EDGES, -5, chance.uniform(-2, 12)])
        sizes.labels(chance.choice("ab")).observe(amount)
    theirs = {
        (sample.labels["of"], sample.labels.get("le", "")): sample.value
        for family in sizes.collect()
        for sample in family.samples
        if sample.name == "size_bytes_bucket"
    }

    ours = {}
    for attributes, (_, *counts) in numbers.series("size_bytes"):
        for place, edge in enumerate([*map(str, EDGES), "+Inf"]):
            ours[attributes["of"], edge] = sum(counts[: place + 1])
    assert ours == theirs
    assert instrument(numbers, "size_bytes").bounds == EDGES


def test_a_summary_is_a_histogram_without_edges(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """Its count and its sum."""
    took = Summary("took_seconds", "Times.", registry=registry)
    took.observe(1.5)
    took.observe(amount=2)
    with took.time():
        pass

    ((_, (total, count)),) = numbers.series("took_seconds")
    assert count == 3.0
    assert total == registry.get_sample_value("took_seconds_sum")


def test_a_gauge_follows_every_step(numbers: Numbers, registry: CollectorRegistry) -> None:
    """Raised, lowered, set, timed, and while something is in progress."""
    busy = Gauge("busy", "Busy.", ["at"], registry=registry)
    north, south = busy.labels("north"), busy.labels("south")
    north.inc()
    north.inc(4)
    north.dec(amount=2)
    south.set(7)
    south.dec()
    with south.track_inprogress():
        during = numbers.values("busy", "at")
    timed = Gauge("timed", "Timed.", registry=registry)
    timed.set_to_current_time()

    assert during == {("north",): 3.0, ("south",): 7.0}
    assert numbers.values("busy", "at") == {("north",): 3.0, ("south",): 6.0}
    assert numbers.total("timed") == registry.get_sample_value("timed")


def test_a_gauge_is_zero_until_it_is_told(numbers: Numbers, registry: CollectorRegistry) -> None:
    """As the library has it; one that asks a function is left out, whatever it is told."""
    Gauge("busy", "Busy.", registry=registry)
    level = Gauge("level", "Level.", ["at"], registry=registry)
    level.labels("north").set_function(lambda: 3)
    level.labels("north").inc()
    level.labels("south")

    ((_, (busy, stamp)),) = numbers.series("busy")
    assert (busy, stamp > 0) == (0.0, True)
    assert {a["at"]: bool(cells[1]) for a, cells in numbers.series("level")} == {
        "north": False,
        "south": True,
    }
    assert registry.get_sample_value("level", {"at": "north"}) == 3.0


def test_a_name_that_the_library_refuses_leaves_the_gauge_as_it_is(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """A module that is loaded twice makes its metrics twice, and often goes on with the first."""
    gauge = Gauge("level", "Level.", registry=registry)
    state = Enum("mood", "Mood.", states=["good", "bad"], registry=registry)
    gauge.set(5)
    state.state("bad")
    with pytest.raises(ValueError, match="Duplicated"):
        Gauge("level", "Level.", registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Enum("mood", "Mood.", states=["good", "bad"], registry=registry)

    assert numbers.total("level") == 5.0
    assert numbers.values("mood", "mood") == {("bad",): 1.0}


@pytest.mark.parametrize(
    ("mode", "merged"),
    [
        ("all", ("gauge", "sum")),
        ("livesum", ("gauge", "sum")),
        ("sum", ("gauge", "sum")),
        ("max", ("gauge", "max")),
        ("livemin", ("gauge", "min")),
        ("mostrecent", ("gauge", "last")),
    ],
)
def test_a_gauges_mode_says_what_processes_make_together(
    numbers: Numbers, registry: CollectorRegistry, mode: Any, merged: tuple[str, str]
) -> None:
    """As the library's own merge of processes has it, where ours has the like."""
    if mode not in Gauge._MULTIPROC_MODES:
        pytest.skip("this release does not know it")
    gauge = Gauge("level", "Level.", multiprocess_mode=mode, registry=registry)
    gauge.set(3)
    if mode != "mostrecent":
        gauge.inc(2)
        gauge.dec(1)
        gauge.dec(1)

    described = instrument(numbers, "level")
    assert (described.kind, described.merge) == merged
    assert numbers.total("level") == 3.0


def test_info_and_enum_are_gauges_as_the_library_shows_them(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """What an info said before is said no more; of an enum each state is told."""
    build = Info("build", "Build.", ["part"], registry=registry)
    build.labels("core").info({"version": "1"})
    build.labels("core").info({"version": "2"})
    state = Enum("state", "State.", states=["idle", "at work"], registry=registry)
    state.state("at work")
    state.state("idle")
    state.state("at work")

    said = {a["version"]: cells[1] for a, cells in numbers.series("build_info")}
    assert (said["1"], said["2"] > 0) == (0.0, True)
    assert {a["state"]: cells[0] for a, cells in numbers.series("state")} == {
        "idle": 0.0,
        "at work": 1.0,
    }


def test_an_enum_is_in_its_first_state_until_it_is_told(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """As the library has it, also of a child that was only asked for."""
    states = ["starting", "running"]
    Enum("service", "Service.", states=states, registry=registry)
    links = Enum("link", "Links.", ["peer"], states=["down", "up"], registry=registry)
    links.labels("db")
    links.labels("queue").state("up")
    Enum("mood", "Mood.", states=iter(states), registry=registry)  # type: ignore[arg-type]  # odd

    assert [(a["service"], cells[0]) for a, cells in numbers.series("service") if cells[1]] == [
        ("starting", 1.0),
        ("running", 0.0),
    ]
    assert numbers.values("link", "peer", "link") == {("db", "down"): 1.0, ("queue", "up"): 1.0}


def test_what_the_library_refuses_is_not_counted(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """Its exceptions come as they did."""
    counter = Counter("refused", "Refused.", ["why"], registry=registry)
    state = Enum("mood", "Mood.", states=["good"], registry=registry)
    with pytest.raises(ValueError, match="non-negative"):
        counter.labels("x").inc(-1)
    with pytest.raises((ValueError, AttributeError)):  # The latter from old releases.
        counter.inc()
    with pytest.raises(ValueError, match="'bad' is not in"):
        state.state("bad")
    with pytest.raises(TypeError):
        counter.labels("x").inc("one")  # type: ignore[arg-type]  # the mistake

    assert numbers.total("refused") == 0.0
    assert numbers.values("mood", "mood") == {("good",): 1.0}


def test_amounts_that_are_no_numbers_stay_out_of_totals(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """They would stay there for good; a gauge shows them, and then the next value."""
    counter = Counter("endless", "Endless.", registry=registry)
    sizes = Summary("lengths", "Lengths.", registry=registry)
    gauge = Gauge("unknown", "Unknown.", registry=registry)
    counter.inc(math.inf)
    counter.inc(1)
    sizes.observe(math.nan)
    gauge.set(math.nan)
    seen = numbers.total("unknown")
    gauge.set(2)

    assert numbers.total("endless") == 1.0
    assert numbers.series("lengths") == [({}, [0.0, 0.0])]
    assert math.isnan(seen)
    assert numbers.total("unknown") == 2.0


def test_a_metric_with_a_name_of_ours_is_left_out(
    numbers: Numbers, registry: CollectorRegistry, capfd: pytest.CaptureFixture[str]
) -> None:
    """With one line; the application's own has it as before."""
    for labels in (["method"], ["route"]):
        requests = Histogram("http_server_request_duration_seconds", "Ours.", labels, registry=None)
        requests.labels("x").observe(1)
    cpu = Counter("process_cpu_time_seconds", "The exporter's.", registry=registry)
    cpu.inc(2)

    assert numbers.series("http_server_request_duration_seconds") == []
    assert numbers.series("process_cpu_time_seconds") == []
    assert registry.get_sample_value("process_cpu_time_seconds_total") == 2.0
    why = "not adopted, since monagent has a metric of this name"
    assert capfd.readouterr().err.splitlines() == [
        f"monagent: http_server_request_duration_seconds: {why}",
        f"monagent: process_cpu_time_seconds: {why}",
    ]


def test_labels_without_a_bound_have_ours(numbers: Numbers, registry: CollectorRegistry) -> None:
    """Beyond the limit measurements add up in the overflow series, and the metric that did so is
    named with how many they were; the library has them all."""
    counter = Counter("visits", "Visits.", ["user"], registry=registry)
    for user in range(200):
        counter.labels(user).inc()
    counter.labels(199).inc()

    found = numbers.series("visits")
    assert (len(found), numbers.total("visits")) == (50, 201.0)
    assert ({"otel.metric.overflow": True}, [152.0]) in found
    assert numbers.values("monagent.series.overflow", "metric", "label") == {
        ("visits", "user"): 152
    }
    assert registry.get_sample_value("visits_total", {"user": "199"}) == 2.0


def test_what_is_shown_from_the_beginning_is_no_measurement(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """Beyond the limit: of a counter, a gauge, a histogram and an enum nobody was told anything."""
    kinds: list[Any] = [Counter, Gauge, Summary, Histogram]
    for kind in kinds:
        metric = kind(f"some_{kind.__name__.lower()}", "Some.", ["user"], registry=registry)
        for user in range(60):
            metric.labels(user)
    enum = Enum("some_enum", "Some.", ["user"], registry=registry, states=["on", "off"])
    for user in range(30):
        enum.labels(user)
    enum.labels("last").state("off")

    told = numbers.values("monagent.series.overflow", "metric", "label")
    assert told == {("some_enum", "user"): 2}


def test_what_is_wrapped_looks_as_before(numbers: Numbers) -> None:
    """Names, signatures, documentation; and the status tells that it is adopted."""
    assert str(inspect.signature(Counter.inc)).startswith("(self, amount")
    assert Counter.inc.__doc__ == "Increment counter by the given amount."
    assert Gauge.set.__qualname__ == "Gauge.set"
    assert inspect.getfullargspec(Histogram.observe).args[:2] == ["self", "amount"]
    found = status.known["prometheus_client"]
    assert (found.state, found.reason) == (status.ADOPTED, "metrics of the application's own")
    assert found.version == prometheus_version()


def prometheus_version() -> str:
    """Of the installed one."""
    from importlib import metadata

    return metadata.version("prometheus_client")


def test_the_librarys_own_text_is_the_same(numbers: Numbers, registry: CollectorRegistry) -> None:
    """What is kept with its objects does not show."""
    counter = Counter("shown", "Shown.", registry=registry)
    counter.inc(3)

    lines = prometheus_client.generate_latest(registry).decode().splitlines()
    assert lines[:3] == [
        "# HELP shown_total Shown.",
        "# TYPE shown_total counter",
        "shown_total 3.0",
    ]
