"""Values that only a callback knows: asked for by one thread, in every process that records."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from monagent.metrics import sampler
from monagent.metrics.provider import MeterProvider
from monagent.store.shard import Shard
from tests.metrics.said import said
from tests.metrics.twins import Source
from tests.store.programs import totals


@pytest.fixture
def provider(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> Iterator[MeterProvider]:
    """A provider that nobody asks but the test."""
    monkeypatch.setattr(sampler, "watch", lambda look: None)
    made = MeterProvider()
    yield made
    made.shutdown()


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_total_is_set_and_not_added(shard: Shard, provider: MeterProvider) -> None:
    """Counters and up/down counters take what the callback says, round after round."""
    source = Source()
    meter = provider.get_meter("app")
    meter.create_observable_counter("c", [source])
    meter.create_observable_up_down_counter("u", [source])
    meter.create_observable_gauge("g", [source])
    for value in (5, 7, 6):
        source.observations = [Observation(value, {"k": "x"})]
        provider.observe()

    assert said(shard) == {"c": {"x": 6}, "u": {"x": 6}, "g": {"x": 6}}


def test_observations_of_one_series_in_a_round_add_up(
    shard: Shard, provider: MeterProvider
) -> None:
    """Of all callbacks together; of a gauge the last one holds."""
    first, second = Source(), Source()
    first.observations = [Observation(1), Observation(2)]
    second.observations = [Observation(4)]
    meter = provider.get_meter("app")
    meter.create_observable_counter("c", [first, second])
    meter.create_observable_gauge("g", [first, second])
    provider.observe()
    provider.observe()

    assert said(shard) == {"c": {(): 7}, "g": {(): 4}}


def test_what_is_told_no_more_vanishes_except_for_counters(
    shard: Shard, provider: MeterProvider
) -> None:
    """A pool that is closed has no size; what it had handed out stays handed out."""
    source = Source()
    meter = provider.get_meter("app")
    meter.create_observable_counter("c", [source])
    meter.create_observable_up_down_counter("u", [source])
    meter.create_observable_gauge("g", [source])
    source.observations = [Observation(5, {"k": "x"}), Observation(6, {"k": "y"})]
    provider.observe()
    source.observations = [Observation(7, {"k": "y"})]
    provider.observe()
    gauge = next(stream for stream in provider.streams if stream.spec.kind == "gauge")
    set_at = {
        point.attributes["k"]: shard.awake()[point.index + 1] for point in gauge.points.values()
    }

    assert said(shard)["c"] == {"x": 5, "y": 7}
    assert said(shard)["u"] == {"x": 0, "y": 7}
    assert set_at["x"] == 0
    assert set_at["y"] > 0


def test_observations_that_are_none_are_left_out(
    shard: Shard, provider: MeterProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not finite, no number, no observations at all: the other callbacks count."""
    odd: list[Any] = [Observation(float("nan")), Observation("5")]  # type: ignore[arg-type]
    callbacks: list[Any] = [
        lambda options: odd,
        lambda options: None,
        lambda options: [5],
        lambda options: [Observation(3, {"k": "x"})],
    ]
    provider.get_meter("app").create_observable_gauge("g", callbacks)
    provider.observe()
    provider.observe()

    assert said(shard) == {"g": {"x": 3}}
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "g: its callback failed: TypeError" in lines[1]


def test_a_callback_is_given_a_deadline(provider: MeterProvider) -> None:
    """As the SDK gives it: ten seconds."""
    given: list[float] = []

    def callback(options: CallbackOptions) -> list[Observation]:
        given.append(options.timeout_millis)
        return []

    provider.get_meter("app").create_observable_counter("c", [callback])
    provider.observe()

    assert given == [10_000]


def test_after_the_end_nobody_is_asked(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that was shut down lets go of its callbacks."""
    monkeypatch.setattr(sampler, "SECONDS", 0.01)
    asked: list[int] = []

    def callback(options: CallbackOptions) -> list[Observation]:
        asked.append(1)
        return []

    provider = MeterProvider()
    provider.get_meter("app").create_observable_gauge("g", [callback])
    until(lambda: asked)
    provider.shutdown()

    assert provider.observe not in sampler._looks


PREAMBLE = """
import os, sys, time, threading
from opentelemetry.metrics import Observation
from monagent.metrics import Recording, sampler, use, Counter
from monagent.metrics.provider import MeterProvider
from monagent.store.shard import Shard
sampler.SECONDS = 0.02
HITS = Counter("hits", help="Hits.", labels=("who",))
use(Recording(Shard(sys.argv[1])))
def until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
def value(stream):
    point = next(iter(stream.points.values()))
    return stream.shard.awake()[point.index]
provider = MeterProvider()
"""


def run(code: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that observes, to a good end, with warnings as errors."""
    text = PREAMBLE + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", text, str(directory)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_one_thread_asks_all_of_them(tmp_path: Path) -> None:
    """Two providers, many callbacks, one thread, which is no thread of the application's."""
    result = run(
        """
        import _thread
        threads, names = set(), set()
        def callback(name):
            def told(options):
                threads.add(_thread.get_ident())
                names.add(name)
                return [Observation(1)]
            return told
        before = threading.active_count()
        for number, one in enumerate((provider, MeterProvider())):
            for name in "abc":
                told = callback(f"{name}{number}")
                one.get_meter("app").create_observable_gauge(f"{name}{number}", [told])
        until(lambda: len(names) == 6)
        print(len(threads), threading.get_ident() in threads, threading.active_count() - before)
        """,
        tmp_path,
    )

    assert result.stdout.split() == ["1", "False", "0"]


def test_children_that_record_are_asked_too(tmp_path: Path) -> None:
    """Four workers made before the first request each tell their own value; a child that records
    nothing has no thread and no numbers.  Nobody warns of forks beside threads."""
    result = run(
        """
        told = lambda options: [Observation(os.getpid() % 7 + 1, {"who": "x"})]
        provider.get_meter("app").create_observable_up_down_counter("u", [told])
        until(lambda: provider.streams[0].points)
        sampler.PATIENCE = 30.0  # A busy machine may keep the thread from its end.
        children = []
        for number in range(5):
            child = os.fork()
            if child == 0:
                if number:
                    HITS.bind("x")(1)
                    until(lambda: value(provider.streams[0]))
                else:
                    time.sleep(0.1)
                    assert sampler._thread_now is None
                os._exit(0)
            if number:
                children.append(child)
        statuses = [os.wait()[1] for _ in range(5)]
        print(statuses, sum(pid % 7 + 1 for pid in [os.getpid(), *children]))
        """,
        tmp_path,
    )
    statuses, _, total = result.stdout.rpartition(" ")

    assert (statuses, result.stderr) == ("[0, 0, 0, 0, 0]", "")
    assert totals(tmp_path, "u") == {"x": int(total)}
    assert totals(tmp_path) == {"x": 4}


def test_a_fork_meets_no_callback_halfway(tmp_path: Path) -> None:
    """The callback takes a lock of the application's; no child ever finds that lock taken, and the
    parent's thread goes on."""
    result = run(
        """
        lock = threading.Lock()
        rounds = []
        def told(options):
            with lock:
                time.sleep(0.002)
                rounds.append(1)
            return [Observation(len(rounds), {"who": "x"})]
        sampler.SECONDS = 0.0
        sampler.PATIENCE = 30.0  # However long a busy machine takes for those two milliseconds.
        provider.get_meter("app").create_observable_counter("c", [told])
        until(lambda: rounds)
        stuck = 0
        for number in range(100):
            if os.fork() == 0:
                os._exit(0 if lock.acquire(timeout=2) else 1)
            stuck += os.wait()[1] != 0
        before = len(rounds)
        until(lambda: len(rounds) > before + 2)
        print(stuck)
        """,
        tmp_path,
    )

    assert (result.stdout, result.stderr) == ("0\n", "")


def test_a_callback_that_hangs_holds_no_fork_up(tmp_path: Path) -> None:
    """A fork waits a tenth of a second at most, and afterwards there is still one thread."""
    result = run(
        """
        import warnings
        warnings.filterwarnings("ignore", "This process .* is multi-threaded")  # Then it is.
        release = threading.Event()
        idents = set()
        def told(options):
            idents.add(threading.get_ident())
            release.wait(50)
            return []
        provider.get_meter("app").create_observable_counter("c", [told])
        until(lambda: idents)
        begun = time.monotonic()
        for _ in range(3):
            if os.fork() == 0:
                os._exit(0)
            os.wait()
        slow = time.monotonic() - begun > 15
        release.set()
        until(lambda: len(os.listdir("/proc/self/task")) == 2)
        print(slow)
        """,
        tmp_path,
    )

    assert (result.stdout, result.stderr) == ("False\n", "")


@pytest.mark.parametrize("patched", ["before", "after import", "after registration"])
def test_under_gevent_it_is_a_greenlet(tmp_path: Path, patched: str) -> None:
    """Whenever the application patches: a callback that waits cooperatively is asked in the main
    thread, in children too, and nothing hangs."""
    pytest.importorskip("gevent", reason="needs gevent")
    patch = "from gevent import monkey; monkey.patch_all()\n"
    code = """
        from monagent.metrics.pulse import pulse
        native = os.getpid()
        asked = []
        def told(options):
            asked.append(len(os.listdir("/proc/self/task")))
            time.sleep(0.001)
            return [Observation(len(asked))]
        provider.get_meter("app").create_observable_gauge("g", [told])
        PATCH
        until(lambda: pulse(time.monotonic()) or len(asked) > 2)
        child = os.fork()
        if child == 0:
            asked.clear()
            HITS.bind("x")(1)
            until(lambda: len(asked) > 2)
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        before = len(asked)
        until(lambda: len(asked) > before + 2)
        print(asked[-1])
    """
    late = patch if patched == "after registration" else ""
    text = PREAMBLE.replace("sampler.SECONDS = 0.02", "sampler.SECONDS = 0.2")
    text += patch if patched == "after import" else ""
    text += textwrap.dedent(code).replace("PATCH\n", late + "\n")
    result = subprocess.run(
        [sys.executable, "-c", (patch if patched == "before" else "") + text, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (result.returncode, result.stdout, result.stderr) == (0, "0\n1\n", "")


def test_the_end_of_the_program_is_quiet(tmp_path: Path) -> None:
    """A callback that needs what is being torn down says nothing, holds nothing up, and the exit
    code is the program's."""
    begun = time.monotonic()
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            PREAMBLE
            + textwrap.dedent("""
            import logging
            sampler.SECONDS = 0.0
            def told(options):
                logging.getLogger("x").debug("asked")
                return [Observation(len(sys.modules), {"who": os.getpid()})]
            provider.get_meter("app").create_observable_gauge("g", [told] * 50)
            until(lambda: provider.streams[0].points)
            sys.exit(3)
            """),
            str(tmp_path),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (result.returncode, result.stdout, result.stderr) == (3, "", "")
    assert time.monotonic() - begun < 30
