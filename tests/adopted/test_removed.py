"""prometheus_client: what the application takes away is on the endpoint no more, totals aside."""

from __future__ import annotations

import os

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


def test_what_is_told_to_a_gauge_without_registry_is_seen_when_it_is_in_one_again(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """By whoever holds it still; also to its children, and to those that it has got since."""
    depth = Gauge("depth", "Depth.", registry=registry)
    level = Gauge("level", "Level.", ["at"], registry=registry)
    moods = Enum("mood", "Mood.", ["of"], states=["good", "bad"], registry=registry)
    build = Info("build", "Build.", registry=registry)
    held = level.labels("a")
    held.set(3)
    level.labels("gone").set(1)
    moods.labels("a").state("bad")
    build.info({"version": "1"})
    metrics = (depth, level, moods, build)
    names = ("depth", "level", "mood", "build_info")

    def shown() -> list[list[tuple[str, float]]]:
        return [
            [("".join(a.values()), cells[0]) for a, cells in numbers.series(n) if cells[1]]
            for n in names
        ]

    for metric in metrics:
        registry.unregister(metric)
    depth.set(7)
    held.inc()
    held.inc()
    level.labels("b").dec(2)
    level.remove("gone")
    level.labels("gone").inc(5)
    moods.labels("a").state("good")
    moods.labels("b").state("bad")
    build.info({"version": "2"})
    build.info({"version": "3"})
    gone = shown()
    for metric in metrics:
        registry.register(metric)
    level.labels("b").inc()
    level.labels("c").inc()

    assert gone == [[], [], [], []]
    assert [sorted(one) for one in shown()] == [
        [("", 7.0)],
        [("a", 5.0), ("b", -1.0), ("c", 1.0), ("gone", 5.0)],
        [("abad", 0.0), ("agood", 1.0), ("bbad", 1.0), ("bgood", 0.0)],
        [("3", 1.0)],
    ]
    assert "labels" not in vars(level)


def test_a_gauge_without_registry_does_not_disturb_the_one_in_its_place(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """An application makes its metrics anew, and a thread still tells the old ones."""
    old = Gauge("level", "Level.", ["at"], registry=registry)
    registry.unregister(old)
    new = Gauge("level", "Level.", ["at"], registry=registry)
    new.labels("a").set(3)
    old.labels("a").set(99)
    old.labels("a").inc()

    assert numbers.values("level", "at") == {("a",): 3.0}


def test_a_forked_process_shows_what_it_has_told_itself(
    numbers: Numbers, registry: CollectorRegistry
) -> None:
    """What its parent told while nobody saw it is the parent's."""
    level = Gauge("level", "Level.", registry=registry)
    mood = Enum("mood", "Mood.", states=["good", "bad"], registry=registry)
    for metric in (level, mood):
        registry.unregister(metric)
    level.inc(5)
    mood.state("bad")
    read, write = os.pipe()
    if os.fork() == 0:
        level.inc(2)
        for metric in (level, mood):
            registry.register(metric)
        found = [numbers.total("level"), *(cells[0] for _, cells in numbers.series("mood"))]
        os.write(write, repr(found).encode())
        os._exit(0)
    os.wait()
    registry.register(level)

    assert (os.read(read, 100), numbers.total("level")) == (b"[2.0, 0.0, 0.0]", 5.0)
    os.close(read)
    os.close(write)
