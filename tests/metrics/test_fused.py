"""One function that ends a call, an operation or an attempt adds what its recorders would."""

from __future__ import annotations

import random
from time import perf_counter, time

import pytest

from monagent.metrics import Counter, Gauge, Histogram, Recording, UpDownCounter, use
from monagent.metrics.fused import attempt, brief, cell, exchange, place, places, timer, together
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

ACTIVE = UpDownCounter("test.fused.active", help="Active.", labels=("way",))
SECONDS = Histogram("test.fused.seconds", help="Seconds.", labels=("way",), buckets=(0.1, 1.0))
SENT = Histogram("test.fused.sent", help="Sent.", labels=("way",), buckets=(10.0, 100.0))
RECEIVED = Histogram("test.fused.received", help="Received.", labels=("way",), buckets=(10.0,))
BUSY = UpDownCounter("test.fused.busy", help="Busy.", labels=("way",))
DONE = Counter("test.fused.done", help="Done.", labels=("way",))
LAST = Gauge("test.fused.last", help="Last.", labels=("way",), merge="max")


def cells(shard: Shard, way: str) -> dict[str, list[float]]:
    """What a way of recording has left, by metric."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    return {
        found.instrument.name: list(values[found.index : found.index + found.width])
        for found in file.series
        if found.attributes == {"way": way}
    }


def test_a_fused_call_adds_what_its_parts_would() -> None:
    """Random calls, with sizes that are not known among them."""
    shard = Shard(None)
    use(Recording(shard))
    finish, kept = exchange(*(metric.bind("fused") for metric in (ACTIVE, SECONDS, SENT, RECEIVED)))
    assert kept
    chance = random.Random(7)
    for _ in range(500):
        # Sums of these are exact in any order.
        seconds = chance.choice((0.0, 0.0625, 0.5, 1.0, 7.0))
        sent, received = (chance.choice((-1, 0, 1, 10, 11, 1000)) for _ in range(2))
        ACTIVE.bind("fused")(1.0)
        finish(seconds, sent, received)
        ACTIVE.bind("apart")(1.0)
        ACTIVE.bind("apart")(-1.0)
        SECONDS.bind("apart")(seconds)
        if sent >= 0:
            SENT.bind("apart")(sent)
        if received >= 0:
            RECEIVED.bind("apart")(received)

    assert cells(shard, "fused") == cells(shard, "apart")
    use(Recording())
    shard.close()


def test_a_series_that_is_just_being_made_has_no_place_yet() -> None:
    """A signal handler may call while another call makes its first series."""
    shard = Shard(None)
    use(Recording(shard))
    shard.busy = True
    bound = [metric.bind("late") for metric in (ACTIVE, SECONDS, SENT, RECEIVED)]
    assert [place(recorder) for recorder in bound] == [None] * 4
    finish, kept = exchange(bound[0], bound[1], bound[2], bound[3])
    finish(0.5, 1, 2)
    mem, at = cell(ACTIVE.bind("added"))
    mem[0][at] += 3.0
    shard.busy = False
    ACTIVE.bind("next")(0.0)  # what was put by is recorded now

    assert not kept
    assert cells(shard, "late")["test.fused.active"] == [-1.0]
    assert cells(shard, "added")["test.fused.active"] == [3.0]
    assert cells(shard, "late")["test.fused.seconds"] == [0.5, 0.0, 1.0, 0.0]
    use(Recording())
    shard.close()


def test_series_that_move_together_share_joint_cells_once() -> None:
    """The same series have the same cells; none where there is no room, or no histogram."""
    shard = Shard(None)
    use(Recording(shard))
    mem, at, edges = place(SECONDS.bind("together")) or ([], 0, ())
    one = ((at + 1, 1),)
    first, again = (together(mem, edges, ((0, at),), one) for _ in range(2))
    shard.busy = True
    late = together(mem, edges, (), one)
    shard.busy = False

    assert first == again > at
    assert late == together(list(mem), edges, (), one) == together(mem, (), (), one) == -1
    assert together(mem, edges, (), one) > first
    use(Recording())
    shard.close()


def test_brief_values_count_where_long_ones_do() -> None:
    """At an edge, below and above it, as the plain recorder has it."""
    shard = Shard(None)
    use(Recording(shard))
    record, plain = brief(SECONDS.bind("fused")), SECONDS.bind("apart")
    for value in (0.0, 0.05, 0.1, 0.11, 1.0, 2.0):
        record(value)
        plain(value)

    assert cells(shard, "fused") == cells(shard, "apart")
    use(Recording())
    shard.close()


def test_a_timer_counts_the_time_since_it_was_told() -> None:
    """A short one in the first bucket, a long one in the last."""
    shard = Shard(None)
    use(Recording(shard))
    end, kept = timer(SECONDS.bind("fused"))
    now = perf_counter()
    end(now)
    end(now - 100)
    total, *buckets = cells(shard, "fused")["test.fused.seconds"]

    assert kept
    assert buckets == [1.0, 0.0, 1.0]
    assert total == pytest.approx(100, abs=10)
    use(Recording())
    shard.close()


@pytest.mark.parametrize("being_made", [False, True])
def test_an_attempt_that_ends_moves_all_its_series(being_made: bool) -> None:
    """Also where they are being made at that moment: then it is recorded a moment later."""
    shard = Shard(None)
    use(Recording(shard))
    shard.busy = being_made
    bound = [metric.bind("way") for metric in (ACTIVE, BUSY, DONE, SECONDS, LAST)]
    end, kept = attempt(bound[0], bound[1], bound[2], bound[3], bound[4])
    before = time()
    end(0.5)
    shard.busy = False
    ACTIVE.bind("next")(0.0)
    found = cells(shard, "way")
    last, changed = found.pop("test.fused.last")

    assert kept is not being_made
    assert found == {
        "test.fused.active": [-1.0],
        "test.fused.busy": [-1.0],
        "test.fused.done": [1.0],
        "test.fused.seconds": [0.5, 0.0, 1.0, 0.0],
    }
    assert before <= last <= changed
    use(Recording())
    shard.close()


@pytest.mark.parametrize("being_made", [False, True])
def test_cells_are_added_to_at_their_places(being_made: bool) -> None:
    """What is added to a first cell reaches its series, whether it is there or being made."""
    shard = Shard(None)
    use(Recording(shard))
    shard.busy = being_made
    mem, [(active, _), (done, _)], kept = places(ACTIVE.bind("way"), DONE.bind("way"))
    mem[0][active] -= 1.0
    mem[0][done] += 2.0
    shard.busy = False
    ACTIVE.bind("next")(0.0)

    assert kept is not being_made
    assert cells(shard, "way") == {"test.fused.active": [-1.0], "test.fused.done": [2.0]}
    use(Recording())
    shard.close()
