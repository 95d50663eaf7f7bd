"""One function that ends a call adds what its recorders would add one by one."""

from __future__ import annotations

import random

from monagent.metrics import Histogram, Recording, UpDownCounter, use
from monagent.metrics.fused import exchange, place
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

ACTIVE = UpDownCounter("test.fused.active", help="Active.", labels=("way",))
SECONDS = Histogram("test.fused.seconds", help="Seconds.", labels=("way",), buckets=(0.1, 1.0))
SENT = Histogram("test.fused.sent", help="Sent.", labels=("way",), buckets=(10.0, 100.0))
RECEIVED = Histogram("test.fused.received", help="Received.", labels=("way",), buckets=(10.0,))


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
        seconds = chance.choice((0.0, 0.1, 0.5, 1.0, 7.0))
        sent, received = (chance.choice((-1, 0, 1, 10, 11, 1000)) for _ in range(2))
        finish(seconds, sent, received)
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
    shard.busy = False
    ACTIVE.bind("next")(0.0)  # what was put by is recorded now

    assert not kept
    assert cells(shard, "late")["test.fused.active"] == [-1.0]
    assert cells(shard, "late")["test.fused.seconds"] == [0.5, 0.0, 1.0, 0.0]
    use(Recording())
    shard.close()
