"""prometheus_client: what the application takes away is on the endpoint no more, totals aside."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Info

from tests.http_client.numbers import Numbers


@pytest.fixture
def registry() -> CollectorRegistry:
    """One of the test's own."""
    return CollectorRegistry()


def test_gauges_that_are_removed_are_gone_and_totals_stay(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """One by one, by some of their labels, or all; they begin at zero again."""
    busy = Gauge("busy", "Busy.", ["at", "floor"], registry=registry)
    moods = Enum("mood", "Mood.", ["of"], states=["good", "bad"], registry=registry)
    counter = Counter("orders", "Orders.", ["at"], registry=registry)
    for at in "abc":
        busy.labels(at, 1).set(3)
        moods.labels(at).state("bad")
        counter.labels(at).inc()
    with pytest.raises(ValueError, match="label count"):
        busy.remove("a")
    with pytest.raises(ValueError, match="label names"):
        Gauge("bare", "Bare.", registry=registry).remove("a")

    busy.remove("a", 1)
    if hasattr(busy, "remove_by_labels"):
        busy.remove_by_labels({"at": "b"})
    else:
        busy.remove("b", "1")
    busy.labels("b", 1).inc(2)
    moods.remove("a")
    counter.remove("a")
    if hasattr(moods, "clear"):
        moods.clear()
        counter.clear()
    else:
        moods.remove("b")
        moods.remove("c")

    shown = {a["at"]: cells[0] for a, cells in numbers.series("busy") if cells[1]}
    assert shown == {"b": 2.0, "c": 3.0}
    assert [cells for _, cells in numbers.series("mood")] == [[0.0, 0.0]] * 6
    assert numbers.total("orders") == 3.0


def test_what_is_told_to_a_removed_child_is_not_shown(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """Whoever holds it still; the one that took its place is, and what counts is."""
    busy = Gauge("busy", "Busy.", ["at"], registry=registry)
    moods = Enum("mood", "Mood.", ["of"], states=["good", "bad"], registry=registry)
    build = Info("build", "Build.", ["part"], registry=registry)
    orders = Counter("orders", "Orders.", ["at"], registry=registry)
    held = orders.labels("a")
    latest = Gauge("latest", "Latest.", ["at"], multiprocess_mode="max", registry=registry)
    untold = latest.labels("a")
    with busy.labels("a").track_inprogress():
        busy.remove("a")
        busy.labels("a").set(5)
    mood, part = moods.labels("a"), build.labels("a")
    moods.remove("a")
    build.remove("a")
    orders.remove("a")
    latest.remove("a")
    mood.state("bad")
    part.info({"version": "1"})
    held.inc(2)
    untold.inc()

    assert numbers.values("busy", "at") == {("a",): 5.0}
    assert [cells for _, cells in numbers.series("mood") if cells[1]] == []
    assert [cells for _, cells in numbers.series("build_info") if cells[1]] == []
    assert [cells for _, cells in numbers.series("latest") if cells[1]] == []
    assert numbers.total("orders") == 2.0


def test_a_gauge_that_leaves_its_registry_is_gone(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """With its children, until it is in one again; infos and enums alike."""
    level = Gauge("level", "Level.", ["at"], registry=registry)
    moods = Enum("mood", "Mood.", states=["good", "bad"], registry=registry)
    build = Info("build", "Build.", registry=registry)
    orders = Counter("orders", "Orders.", registry=registry)
    level.labels("a").set(3)
    level.labels("b").set_function(lambda: 7)
    moods.state("bad")
    build.info({"version": "1"})
    orders.inc(2)
    metrics = (level, moods, build, orders)
    names = ("level", "mood", "build_info")

    def shown() -> list[list[float]]:
        return [[cells[0] for _, cells in numbers.series(n) if cells[1]] for n in names]

    before = shown()
    for metric in metrics:
        registry.unregister(metric)
    gone = shown()
    for metric in metrics:
        registry.register(metric)

    assert (before, gone) == ([[3.0], [0.0, 1.0], [1.0]], [[], [], []])
    assert shown() == before
    assert numbers.total("orders") == 2.0


def test_a_gauge_in_two_registries_stays_while_one_has_it(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """And one that follows another of its name begins anew."""
    other = CollectorRegistry()
    level = Gauge("level", "Level.", registry=registry)
    level.set(3)
    other.register(level)
    registry.unregister(level)
    moved = numbers.total("level")
    with pytest.raises(KeyError):
        registry.unregister(level)
    other.unregister(level)
    gone = [cells[1] for _, cells in numbers.series("level")]
    Gauge("level", "Level.", registry=registry).inc()

    assert (moved, gone, numbers.total("level")) == (3.0, [0.0], 1.0)
