"""Threads, signal handlers and finalizers record at any moment, and nothing is lost or twice."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monagent.metrics.family import Family, Spec
from monagent.store import encoding
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard
from tests.store.programs import repeated, totals

THREADS = 8


@pytest.fixture(params=["in a file", "in memory"])
def shard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shard]:
    """A shard of either sort."""
    made = Shard(str(tmp_path) if request.param == "in a file" else None)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(work: Callable[[int], None]) -> None:
    """Runs `work` in all threads at once."""
    barrier = threading.Barrier(THREADS)
    failed: list[BaseException] = []

    def begin(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def read(shard: Shard) -> dict[str, list[float]]:
    """The cells of each series by the value of `who`."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    assert repeated(file) == 0
    return {
        one.attributes.get("who", ""): list(values[one.index : one.index + one.width])
        for one in file.series
    }


def family(shard: Shard, kind: str, **rest: object) -> Family:
    """A family without a limit that matters."""
    return Family(shard, Spec("metric", kind, **rest), 100_000)  # type: ignore[arg-type]


def test_no_update_is_lost_under_eight_threads(shard: Shard) -> None:
    """Counter, histogram and extremes, all threads on the same cells."""
    counter = family(shard, "counter").recorder("c", {"who": "counter"})
    plain = family(shard, "histogram", bounds=(1.0, 4.0)).recorder("h", {"who": "plain"})
    wide = family(shard, "histogram", bounds=(1.0, 4.0), minmax=True).recorder("x", {"who": "wide"})

    def work(number: int) -> None:
        for turn in range(16_000):
            counter(1)
            plain(turn % 8)
            wide(turn % 8 + number)

    together(work)
    found = read(shard)

    each = THREADS * 2000
    assert found["counter"] == [THREADS * 16_000]
    assert found["plain"] == [each * 28, each * 2, each * 3, each * 3]
    assert sum(found["wide"][1:4]) == THREADS * 16_000
    assert found["wide"][4:] == [0, 14]


def test_extremes_are_right_from_the_first_value_on(shard: Shard) -> None:
    """All threads record the first values of a series at once: the smallest and largest are
    kept."""
    histograms = family(shard, "histogram", bounds=(100.0,), minmax=True)

    def work(number: int) -> None:
        for turn in range(300):
            histograms.recorder(turn, {"who": str(turn)})(number + 1)

    together(work)
    found = read(shard)

    assert len(found) == 300
    assert {tuple(cells) for cells in found.values()} == {(36, 8, 0, 1, 8)}


def test_threads_that_make_the_same_series_make_one(shard: Shard) -> None:
    """Series and their metrics come into being once, and every first value counts; the shard grows
    all the while."""
    families = [family(shard, "counter") for _ in range(3)]

    def work(number: int) -> None:
        for turn in range(1500):
            families[turn % 3].recorder(turn, {"who": str(turn)})(1)

    together(work)
    found = read(shard)

    assert len(found) == 1500
    assert {tuple(cells) for cells in found.values()} == {(THREADS,)}


def test_nothing_is_lost_while_the_shard_grows(shard: Shard) -> None:
    """Half of the threads count, the others make it grow."""
    counters = family(shard, "counter")
    counter = counters.recorder("steady", {"who": "steady"})
    growing = threading.Event()

    def work(number: int) -> None:
        if number % 2:
            for turn in range(400):
                key = f"{number} {turn} {'x' * 200}"
                counters.recorder(key, {"who": key})
            growing.set()
        else:
            for _ in range(20_000):
                counter(1)

    together(work)

    assert growing.is_set()
    assert read(shard)["steady"] == [THREADS / 2 * 20_000]


def test_a_reader_sees_whole_series_while_they_are_made(tmp_path: Path) -> None:
    """Someone reads the file over and over while eight threads make it grow: nothing torn, counters
    never fall."""
    shard = Shard(str(tmp_path))
    counters = family(shard, "counter")
    done = threading.Event()
    seen: list[float] = []
    assert shard.path is not None
    file = ShardFile.open(shard.path)

    def read_on() -> None:
        while not done.is_set():
            file.refresh()
            values = file.values()
            seen.append(sum(values[one.index] for one in file.series))

    reader = threading.Thread(target=read_on)
    reader.start()

    def work(number: int) -> None:
        for turn in range(300):
            counters.recorder((number, turn), {"who": f"{number} {turn} {'y' * 100}"})(1)

    together(work)
    done.set()
    reader.join()
    file.refresh()
    file.close()
    found = totals(tmp_path, "metric")
    shard.close()

    assert file.torn == 0
    assert seen == sorted(seen)
    assert sum(found.values()) == THREADS * 300


def test_a_signal_handler_may_record_while_its_series_is_made(shard: Shard) -> None:
    """It comes in the midst of making the very series it records into: no deadlock, one series,
    every value."""
    counters = family(shard, "counter")
    handled = 0

    def record(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        counters.recorder(f"{handled // 3}", {"who": f"{handled // 3}"})(1)

    before = signal.signal(signal.SIGALRM, record)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        for turn in range(2000):
            counters.recorder(f"{turn}", {"who": f"{turn}"})(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    found = read(shard)

    assert handled > 3
    assert sum(cells[0] for cells in found.values()) == 2000 + handled


def test_a_finalizer_may_record_while_a_series_is_made(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage is collected at the worst moment, between a series' cells and its name."""
    counters = family(shard, "counter")

    class Finalized:
        def __del__(self) -> None:
            counters.recorder("b", {"who": "b"})(1)
            counters.recorder("a", {"who": "a"})(1)

    encode = encoding.encode

    def encode_late(value: object) -> bytes:
        Finalized()
        gc.collect()
        return encode(value)  # type: ignore[arg-type]

    monkeypatch.setattr("monagent.metrics.family.encode", encode_late)
    counters.recorder("a", {"who": "a"})(1)
    monkeypatch.undo()
    counters.recorder("b", {"who": "b"})(1)
    counters.recorder("a", {"who": "a"})(1)

    found = read(shard)
    assert found.keys() == {"a", "b"}
    # Two descriptors were written for "a": the metric's and the series'.
    assert found["a"][0] >= 4
    assert found["a"][0] - found["b"][0] == 1
