"""Folding survives being killed between any two system calls: nothing is lost, nothing twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monagent.exporter.disk import Disk
from monagent.exporter.merge import merge
from monagent.exporter.retained import Archive, Torn
from monagent.exporter.roster import Roster
from monagent.exporter.table import Table
from tests.exporter.forge import ACTIVE, LATENCY, LIBRARIES, REQUESTS, Deaths, Forged


class Killed(BaseException):
    """The exporter was killed here."""


class Mortal(Disk):
    """A disk that kills its user at the n-th system call, before or in the middle of it."""

    def __init__(self, lives: int = 10**9) -> None:
        self.lives = lives
        self.calls = 0

    def _call(self) -> None:
        self.calls += 1
        if self.calls > self.lives:
            raise Killed

    def create(self, path: str, mode: int) -> int:
        self._call()
        return super().create(path, mode)

    def write(self, fd: int, data: memoryview) -> int:
        self._call()
        # In small pieces, so that there are many places to die at.
        return super().write(fd, data[: max(1, len(data) // 2)])

    def close(self, fd: int) -> None:
        super().close(fd)
        self._call()

    def rename(self, source: str, goal: str) -> None:
        self._call()
        super().rename(source, goal)

    def unlink(self, path: str) -> None:
        self._call()
        super().unlink(path)


class Exporter:
    """What an exporter keeps in memory; a new one starts from the directory alone."""

    def __init__(self, path: Path, deaths: Deaths, disk: Disk) -> None:
        self.table = Table()
        self.archive = Archive(str(path), self.table, disk)
        self.archive.load()
        self.roster = Roster(str(path), self.table, self.archive, disk, alive=deaths.alive)

    def look(self) -> None:
        """One round of finding and reading."""
        self.roster.find()
        self.roster.judge()
        self.roster.read()

    def total(self) -> dict[tuple[str, str], list[float]]:
        """All that is served, by name and attributes."""
        cells = merge(self.archive.total, self.roster.snapshots())
        return {
            (t.instrument.name, t.key): cells[t.index : t.index + t.width]
            for t in self.table.targets
            if t.feeds
        }


def population(path: Path, count: int) -> list[Forged]:
    """Processes that each counted something that no float can hold exactly."""
    return [
        Forged(
            str(path),
            [
                (REQUESTS, {"route": "/"}, [0.1 * number]),
                (REQUESTS, {"route": f"/{number}"}, [1.0]),
                (LATENCY, {}, [0.3, 1.0, 2.0, 3.0, 0.01, 0.1 * (number + 1)]),
                (ACTIVE, {}, [1.0]),
                (LIBRARIES, {"library": str(number % 2)}, [1.0, 1.0 + number]),
            ],
        )
        for number in range(count)
    ]


def test_a_fold_killed_at_any_system_call_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path,
) -> None:
    """Every place to die at is tried, and the next exporter finds the same total."""
    lives = 0
    while True:
        path = tmp_path / str(lives)
        path.mkdir()
        deaths = Deaths()
        shards = population(path, 4)
        witness = Exporter(path, deaths, Disk())
        for shard in shards[:3]:
            deaths.kill(shard)
        witness.look()
        expected = witness.total()
        witness.roster.fold()
        assert witness.total() == expected

        for shard in shards[:3]:
            shard.write()
        os.unlink(path / "retained")
        disk = Mortal(lives)
        victim = Exporter(path, deaths, disk)
        victim.look()
        try:
            victim.roster.fold()
        except Killed:
            survived = False
        else:
            survived = True
        heir = Exporter(path, deaths, Disk())
        heir.look()
        assert heir.total() == expected
        heir.roster.fold()
        heir.look()
        assert heir.total() == expected
        assert len(list(path.glob("*.shard"))) == 1
        if survived:
            break
        lives += 1

    assert lives > 10


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_no_total_ever_falls_whatever_is_killed_folded_damaged_or_restarted(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Random histories of births, counts, deaths, folds, killed folds, restarts and damage."""
    path = tmp_path / os.urandom(6).hex()
    path.mkdir()
    deaths = Deaths()
    living: list[Forged] = []
    counted = 0
    disk = Mortal()
    exporter = Exporter(path, deaths, disk)
    before: dict[tuple[str, str], list[float]] = {}
    for _ in range(data.draw(st.integers(1, 25))):
        action = data.draw(
            st.sampled_from(["birth", "count", "death", "fold", "killed fold", "restart", "damage"])
        )
        if action == "birth":
            living.append(Forged(str(path), [(REQUESTS, {}, [0.0]), (LATENCY, {}, [0.0] * 6)]))
        elif action == "count" and living:
            shard = data.draw(st.sampled_from(living))
            shard.series[0][2][0] += 1
            shard.series[1][2][0] += data.draw(st.floats(0, 10))
            shard.series[1][2][1] += 1
            shard.write()
            counted += 1
        elif action == "death" and living:
            deaths.kill(living.pop(data.draw(st.integers(0, len(living) - 1))))
        elif action == "fold":
            exporter.look()
            exporter.roster.fold()
        elif action == "killed fold":
            exporter.look()
            disk.calls, disk.lives = 0, data.draw(st.integers(0, 20))
            try:
                exporter.roster.fold()
            except Killed:
                pass
            disk.lives = 10**9
            exporter = Exporter(path, deaths, disk)
        elif action == "restart":
            exporter = Exporter(path, deaths, disk)
        elif action == "damage" and living:
            # Seen once, damaged, and whole again before an exporter that never saw it looks.
            exporter.look()
            shard = living[0]
            os.truncate(shard.path, data.draw(st.integers(0, 700)))
            exporter.look()
            assert _rising(before, exporter.total())
            shard.write()
        exporter.look()
        total = exporter.total()
        assert _rising(before, total)
        before = total
    assert before.get((REQUESTS.name, "{}"), [0.0]) == [counted]


def _rising(before: dict[Any, list[float]], after: dict[Any, list[float]]) -> bool:
    """Whether every series is still there and no sum or bucket fell (the last two are min, max)."""
    return all(
        key in after and all(old <= new for old, new in zip(cells[:4], after[key][:4], strict=True))
        for key, cells in before.items()
    )


def test_a_shard_whose_id_is_in_the_total_is_deleted_and_not_added(tmp_path: Path) -> None:
    """The case of an exporter killed after the rename and before the deletion."""
    deaths = Deaths()
    shard = Forged(str(tmp_path), [(REQUESTS, {}, [5.0])])
    deaths.kill(shard)
    first = Exporter(tmp_path, deaths, Disk())
    first.look()
    first.archive.fold([(f"{shard.nonce:016x}", m.feed, m.values) for m in first.roster.dead()])

    second = Exporter(tmp_path, deaths, Disk())
    second.look()

    assert second.total() == {(REQUESTS.name, "{}"): [5.0]}
    assert not os.path.exists(shard.path)
    assert second.archive.ids == set()


def test_a_file_longer_than_memory_ends_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that gave up root may put anything where workers write."""

    def enormous(fd: int) -> bytes:
        raise MemoryError

    Forged(str(tmp_path), [(REQUESTS, {}, [5.0])])
    one = Exporter(tmp_path, Deaths(), Disk())
    one.look()
    monkeypatch.setattr("monagent.store.reader._content", enormous)
    Forged(str(tmp_path), [(REQUESTS, {}, [5.0])])
    one.look()

    assert one.roster.damage == 2
    assert len(one.roster.unreadable) == 1
    assert one.total() == {(REQUESTS.name, "{}"): [5.0]}


def test_a_shard_that_cannot_be_deleted_is_added_once(tmp_path: Path) -> None:
    """Its id stays in the total for as long as its file lies there."""

    class Sticky(Disk):
        def unlink(self, path: str) -> None:
            raise PermissionError(path)

    deaths = Deaths()
    deaths.kill(Forged(str(tmp_path), [(REQUESTS, {}, [5.0])]))
    one = Exporter(tmp_path, deaths, Sticky())
    for _ in range(3):
        one.look()
        one.roster.fold()

    assert one.total() == {(REQUESTS.name, "{}"): [5.0]}


def test_a_full_disk_keeps_the_dead_where_they_are(tmp_path: Path) -> None:
    """The total cannot be written: the shards stay, the numbers too, and the next fold succeeds."""

    class Full(Disk):
        full = True

        def write(self, fd: int, data: memoryview) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(fd, data)

    deaths, disk = Deaths(), Full()
    deaths.kill(Forged(str(tmp_path), [(REQUESTS, {}, [5.0])]))
    exporter = Exporter(tmp_path, deaths, disk)
    exporter.look()
    with pytest.raises(OSError, match="No space"):
        exporter.roster.fold()
    assert exporter.total() == {(REQUESTS.name, "{}"): [5.0]}

    disk.full = False
    exporter.roster.fold()

    assert exporter.total() == {(REQUESTS.name, "{}"): [5.0]}
    assert Exporter(tmp_path, deaths, Disk()).total() == exporter.total()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 99}', b"\xff\xfe"])
def test_a_damaged_total_is_told_and_never_fatal(tmp_path: Path, content: bytes) -> None:
    """Somebody wrote over it; the exporter starts from nothing rather than not at all."""
    (tmp_path / "retained").write_bytes(content)
    archive = Archive(str(tmp_path), Table(), Disk())

    with pytest.raises(Torn, match="retained: found"):
        archive.load()
    assert archive.total.targets == {}


def test_two_thousand_dead_leave_one_bounded_file(tmp_path: Path) -> None:
    """The total grows with the series, not with the processes."""
    deaths = Deaths()
    exporter = Exporter(tmp_path, deaths, Disk())
    sizes = []
    for _ in range(20):
        for _ in range(100):
            deaths.kill(Forged(str(tmp_path), [(REQUESTS, {}, [1.0])]))
        exporter.look()
        exporter.roster.fold()
        sizes.append((tmp_path / "retained").stat().st_size)

    assert exporter.total() == {(REQUESTS.name, "{}"): [2000.0]}
    assert sorted(os.listdir(tmp_path)) == ["retained"]
    assert max(sizes[1:]) < 2 * sizes[0]
    assert json.loads((tmp_path / "retained").read_text())["folded"] == 2000


def test_attributes_of_every_type_come_back_from_the_total_as_they_were(tmp_path: Path) -> None:
    """A series must not change its labels because its process has died."""
    deaths = Deaths()
    odd = {"b": {"bytes": "AP8="}, "m": {"mapping": {"x": [1, True]}}, "t": ["a"], "f": 1.0, "n": 1}
    deaths.kill(Forged(str(tmp_path), [(REQUESTS, odd, [1.0])]))
    first = Exporter(tmp_path, deaths, Disk())
    first.look()
    [before] = first.table.targets
    first.roster.fold()

    [after] = Exporter(tmp_path, deaths, Disk()).table.targets

    assert after.attributes == before.attributes
    assert after.attributes["b"] == b"\x00\xff"
    assert after.key == before.key
