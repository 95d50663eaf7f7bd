"""Recorders in C add what those in Python do, and leave to them what is not plain."""

from __future__ import annotations

import gc
import os
import random
import sys
from typing import Any

import pytest

from monagent.metrics import Counter, Gauge, Histogram, UpDownCounter
from monagent.metrics.fused import attempt, brief, counter
from monagent.native import part
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard
from tests.parts import left

pytestmark = pytest.mark.skipif(part is None, reason="there is no part in C")

ACTIVE = UpDownCounter("test.in_c.active", help="Active.", labels=("way",))
SECONDS = Histogram("test.in_c.seconds", help="Seconds.", labels=("way",), buckets=(0.125, 1.0))
BUSY = UpDownCounter("test.in_c.busy", help="Busy.", labels=("way",))
DONE = Counter("test.in_c.done", help="Done.", labels=("way",))
LAST = Gauge("test.in_c.last", help="Last.", labels=("way",), merge="max")
VALUES: list[Any] = [0.0, 0.125, 0.5, 1.0, 7.0, 3, True, float("inf"), float("nan"), "text", None]


def cells(shard: Shard, way: str) -> dict[str, list[float]]:
    """What a way of recording has left, by metric; of a gauge whether it was set."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    return {
        found.instrument.name: [values[found.index] > 0]
        if found.instrument.kind == "gauge"
        else list(values[found.index : found.index + found.width])
        for found in file.series
        if found.attributes == {"way": way}
    }


def made(way: str, last: bool) -> list[Any]:
    """A recorder of each kind."""
    bound = [metric.bind(way) for metric in (ACTIVE, BUSY, DONE, SECONDS)]
    end, _ = attempt(*bound, LAST.bind(way) if last else None)  # type: ignore[call-arg]
    return [counter(DONE.bind(way)), brief(SECONDS.bind(way)), end]


def in_python(recorders: list[Any], monkeypatch: pytest.MonkeyPatch, last: bool) -> list[Any]:
    """The same, without the part in C."""
    from monagent.metrics import fused

    with monkeypatch.context() as patch:
        patch.setattr(fused, "part", None)
        return made("python", last)


@pytest.mark.parametrize("last", [False, True])
def test_random_values_add_up_alike(
    shard: Shard, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    """With types that are no numbers: both raise, and nothing was added."""
    chance = random.Random(5)
    ways = made("c", last), in_python([], monkeypatch, last)
    assert [type(one) is part.Recorder for way in ways for one in way] == [True] * 3 + [False] * 3
    for _ in range(500):
        which, value = chance.randrange(3), chance.choice(VALUES[:7] + VALUES[9:])
        raised: list[Any] = []
        for way in ways:
            try:
                assert way[which](value) is None
                raised.append(None)
            except TypeError as error:
                raised.append(type(error))
        assert raised[0] == raised[1]
    for way in ways:
        with pytest.raises(TypeError):
            way[0]()
        with pytest.raises(TypeError):
            way[0](1.0, 2.0)
        way[0](value=1.0)

    assert cells(shard, "c") == cells(shard, "python")


def test_values_without_an_order_count_alike(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same bucket, by bisection."""
    ways = made("c", False), in_python([], monkeypatch, False)
    for way in ways:
        for value in VALUES[7:9]:
            way[1](value)

    both = [cells(shard, way)["test.in_c.seconds"][1:] for way in ("c", "python")]
    assert both[0] == both[1]
    assert sum(both[0]) == 2


def test_places_outside_of_the_shard_are_left_to_python(shard: Shard) -> None:
    """No index is trusted."""
    got: list[Any] = []
    wrong: Any
    for at in (-1, -(2**40), 2**40, 10**7):
        for more in ((), ((1.0,),), ((1.0,), 0, 1, 2, -1)):
            part.Recorder(got.append, shard.mem, at, *more)(1.0)
        part.Recorder(got.append, shard.mem, 1, (1.0,), at, 1, 2, 3)(1.0)
    part.Recorder(got.append, [], 1)(1.0)
    part.Recorder(got.append, [None], 1)(1.0)
    part.Recorder(got.append, shard.mem, 1, (1.0,), 1, 2, 3, -2)(1.0)

    assert got == [1.0] * 19
    for wrong in ((), (1,), (1, 2, 3), (1, [], "x"), (1, [], 1, [1.0]), (1, [], 1, ("x",))):
        with pytest.raises(TypeError):
            part.Recorder(*wrong)
    with pytest.raises(ValueError, match="edges"):
        part.Recorder(got.append, [], 1, tuple(map(float, range(65))))
    with pytest.raises(TypeError):
        part.Recorder(got.append, [], index=1)


def test_a_forked_child_adds_to_its_own_cells(shard: Shard) -> None:
    """It has none before it records, and the parent's stay as they are."""
    recorders = made("c", True)
    for record in recorders:
        record(0.5)
    before = cells(shard, "c")
    pid = os.fork()
    if pid == 0:
        right = False
        try:
            for record in (*recorders, *recorders):
                record(0.5)
            found = cells(shard, "c")
            right = found["test.in_c.seconds"] == [2.0, 0.0, 4.0, 0.0]
        finally:
            os._exit(0 if right else 1)

    assert os.waitpid(pid, 0)[1] == 0
    assert cells(shard, "c") == before


def test_they_go_on_while_the_shard_grows(shard: Shard) -> None:
    """Growth replaces the view."""
    record = made("grown", False)[1]
    for number in range(3000):
        SECONDS.bind(f"other {number}")
        record(0.5)

    assert cells(shard, "grown")["test.in_c.seconds"] == [1500.0, 0.0, 3000.0, 0.0]


def test_they_leave_nothing_behind(shard: Shard) -> None:
    """Nothing that is given to them lives on."""
    recorder, mem = DONE.bind("left"), shard.mem
    gc.collect()
    before = sys.getrefcount(recorder), sys.getrefcount(mem)
    for _ in range(1000):
        one = part.Recorder(recorder, mem, 1, (1.0,), 1, 2, 3, -1)
        one(0.0)
        circle = [one]
        circle.append(part.Recorder(circle, circle, 0))
    del one, circle
    gc.collect()

    assert left(before, (sys.getrefcount(recorder), sys.getrefcount(mem)), 1000) == []
