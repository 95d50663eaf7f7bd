"""The slow path: a series is made once, and a shard without room is no catastrophe."""

from __future__ import annotations

import gc

import pytest

from monagent.metrics.family import Family, Spec
from monagent.store import shard as shard_module
from monagent.store.file import File
from monagent.store.shard import Full, Shard
from tests.metrics.said import said


def family(shard: Shard, limit: int = 100, **rest: object) -> Family:
    """A family of counters."""
    return Family(shard, Spec("c", "counter"), limit, **rest)  # type: ignore[arg-type]


def test_a_key_has_one_recorder(shard: Shard) -> None:
    """Whoever asks first gives the attributes."""
    counters = family(shard)
    first = counters.recorder("k", {"a": "x"})
    second = counters.recorder("k", {"a": "other"})

    assert first is second
    assert said(shard) == {"c": {"x": 0}}


def test_two_families_of_one_name_are_two_metrics(shard: Shard) -> None:
    """As two libraries may have them; the exporter adds them up or not."""
    family(shard).recorder("k", {"a": "x"})(1)
    Family(shard, Spec("c", "gauge"), 100).recorder("k", {"a": "y"})(2)

    assert said(shard) == {"c": {"x": 1, "y": 2}}


def test_the_limit_counts_the_overflow_series(shard: Shard) -> None:
    """A limit of three has room for two label sets; each further one tells its owner."""
    told: list[str] = []
    counters = family(shard, 3, overflowed=lambda of: told.append(of.spec.name))
    for key in "abcda":
        counters.recorder(key, {"k": key})(1)

    assert said(shard) == {"c": {"a": 2, "b": 1, True: 2}}
    assert told == ["c", "c"]


def test_what_is_recorded_during_creation_waits_for_its_end(shard: Shard) -> None:
    """A recorder asked for while the shard is busy keeps the value, and it counts afterwards."""
    counters = family(shard)
    shard.busy = True
    counters.recorder("k", {"k": "k"})(5)
    shard.busy = False
    before = said(shard)
    counters.recorder("other", {"k": "other"})(1)

    assert before == {}
    assert said(shard) == {"c": {"k": 5, "other": 1}}


@pytest.mark.swallows
def test_what_fails_afterwards_stops_nobody(
    shard: Shard, swallowed: list[tuple[str, BaseException]]
) -> None:
    """A value that cannot be recorded is swallowed, the next one counts."""
    counters = family(shard)
    shard.busy = True
    counters.recorder("k", {"k": "k"})("text")  # type: ignore[arg-type]  # on purpose
    counters.recorder("k", {"k": "k"})(1)
    shard.busy = False
    counters.recorder("other", {"k": "other"})

    assert said(shard)["c"]["k"] == 1
    assert [type(error) for _, error in swallowed] == [TypeError]


@pytest.mark.swallows
def test_without_room_new_series_are_dropped_and_the_old_go_on(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, swallowed: list[tuple[str, BaseException]]
) -> None:
    """One error, no attempt at every measurement, and another attempt later."""
    shard = Shard(str(tmp_path))
    counters = family(shard, 10_000)
    old = counters.recorder("old", {"k": "old"})
    asked: list[int] = []

    def full(self: File, start: int, size: int) -> None:
        asked.append(size)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(File, "mapping", full)
    for number in range(2000):
        counters.recorder(number, {"k": f"{number} {'x' * 100}"})(1)
    old(1)
    kept = len(counters.series)
    monkeypatch.undo()
    shard._full_until = 0.0
    counters.recorder("late", {"k": "late"})(1)
    found = said(shard)["c"]
    shard.close()

    assert 10 < kept < 2000
    assert (len(asked), len(swallowed)) == (1, 1)
    assert isinstance(swallowed[0][1], Full)
    assert (found["old"], found["late"]) == (1, 1)
    assert len(found) == kept + 1


def test_attributes_that_cannot_be_told_cost_no_cells(shard: Shard) -> None:
    """The error is the caller's; the shard is as before and goes on."""
    counters = family(shard)
    for _ in range(3):
        with pytest.raises(TypeError, match="expected an attribute value"):
            counters.recorder("bad", {"k": object()})
    counters.recorder("good", {"k": "good"})(1)

    assert said(shard) == {"c": {"good": 1}}
    assert not shard.busy


def shards() -> int:
    """How many there are, of other tests as well."""
    gc.collect()
    return sum(type(one) is Shard for one in gc.get_objects())


def test_a_dropped_shard_is_really_dropped() -> None:
    """Thousands of embedded shards leave nothing behind."""
    before = len(shard_module._shards)
    others = shards()
    for _ in range(50):
        shard = Shard(None)
        family(shard).recorder("k", {})(1)
        shard.close()
    del shard

    assert len(shard_module._shards) == before
    assert shards() <= others + 1
