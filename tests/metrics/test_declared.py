"""Metrics as conventions declare and use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from monagent import metrics
from monagent.metrics import Counter, Gauge, Histogram, Recording, UpDownCounter, declared
from monagent.metrics import declared as declared_module
from monagent.store.reader import Instrument
from monagent.store.shard import Shard
from tests.metrics.said import instruments, said


@pytest.fixture(autouse=True)
def catalogue(shard: Shard) -> Iterator[None]:
    """What a test declares is gone after it."""
    before = declared()
    yield
    module = sys.modules[declared_module.__module__]
    module._declared[:] = before


def test_each_kind_records_as_its_name_says(shard: Shard) -> None:
    """Counted, up and down, set, counted by size."""
    counter = Counter("c", unit="{thing}", help="Things.", labels=("a", "b"))
    updown = UpDownCounter("u", help="Up.", labels=("a",))
    gauge = Gauge("g", help="Now.", labels=("a",), merge="max")
    histogram = Histogram("h", unit="s", help="Long.", labels=("a",), buckets=(1.0, 2.0))
    counter.bind("x", 1)(2)
    counter.record(3, "x", 1)
    updown.bind("x")(5)
    updown.bind("x")(-7)
    gauge.bind("x")(5)
    gauge.bind("x")(4)
    for value in (0.5, 1.0, 1.5, 99):
        histogram.bind("x")(value)

    assert said(shard) == {
        "c": {(("a", "x"), ("b", 1)): 5},
        "u": {"x": -2},
        "g": {"x": 4},
        "h": {"x": [102.0, 2, 1, 1]},
    }
    assert instruments(shard)["h"] == Instrument(
        "h", "histogram", "s", "Long.", (1.0, 2.0), "sum", False, ("monagent", "", "")
    )
    assert instruments(shard)["g"].merge == "max"


def test_declaring_touches_nothing(shard: Shard) -> None:
    """A metric that nobody records has no series."""
    Counter("c", help="Things.", labels=("a",))

    assert said(shard) == {}
    assert "c" in [metric.name for metric in declared()]


def test_an_absent_value_leaves_its_label_out(shard: Shard) -> None:
    """None and empty text are no values; False and 0 are."""
    counter = Counter("c", help="Things.", labels=("a", "b"))
    counter.bind("x", None)(1)
    counter.bind("x", "")(1)
    counter.bind(None, False)(1)
    counter.bind(None, 7)(1)

    found = said(shard)["c"]
    assert found == {"x": 2, False: 1, 7: 1}


def test_a_recorder_is_made_once_per_label_set(shard: Shard) -> None:
    """The same function each time, so that integrations may keep it."""
    counter = Counter("c", help="Things.", labels=("a",))

    assert counter.bind("x") is counter.bind("x")
    assert counter.bind("x") is not counter.bind("y")


def test_the_number_of_values_must_fit_the_labels(shard: Shard) -> None:
    """A bug in an integration is told, not recorded under wrong labels."""
    counter = Counter("c", help="Things.", labels=("a", "b"))

    with pytest.raises(TypeError, match=r"c: found 1 values, expected \('a', 'b'\)"):
        counter.bind("x")


@pytest.mark.parametrize("buckets", [(2.0, 1.0), (1.0, 1.0)])
def test_buckets_must_rise(buckets: tuple[float, ...]) -> None:
    """Found out where the metric is declared."""
    with pytest.raises(ValueError, match="expected rising ones"):
        Histogram("h", help="Long.", buckets=buckets)


def test_a_gauge_says_how_processes_merge() -> None:
    """Sum, max, min, last, least or ever, nothing else."""
    with pytest.raises(ValueError, match="expected one of sum, max, min, last, least, ever"):
        Gauge("g", help="Now.", merge="mean")


def test_beyond_the_limit_measurements_share_one_series(shard: Shard) -> None:
    """The sum stays exact, what was known stays apart, and the widest label is named."""
    counter = Counter("c", help="Things.", labels=("route", "method"), limit=10)
    counter.bind("/known", "GET")(1)
    for number in range(100):
        counter.bind(f"/{number}", "GET")(1)
    counter.bind("/known", "GET")(1)
    found = said(shard)

    assert len(found["c"]) == 10
    assert found["c"][True] == 92
    assert sum(found["c"].values()) == 102
    assert found["c"][("method", "GET"), ("route", "/known")] == 2
    assert found["monagent.series.overflow"] == {(("label", "route"), ("metric", "c")): 92}


@pytest.mark.parametrize(("setting", "own", "holds"), [(5, 10, 5), (10, 5, 5), (5, None, 5)])
def test_the_lower_limit_holds(shard: Shard, setting: int, own: int | None, holds: int) -> None:
    """That of the settings and a metric's own; what is beyond is counted as such, here and not in
    the exporter."""
    metrics.use(Recording(shard, limit=setting))
    counter = Counter("c", help="Things.", labels=("a",), limit=own)
    for number in range(20):
        counter.bind(f"{number}")(1)
    found = said(shard)

    assert len(found["c"]) == holds
    assert sum(found["monagent.series.overflow"].values()) == 20 - (holds - 1)


def test_the_overflow_counter_does_not_count_itself(shard: Shard) -> None:
    """Even when there are more overflowing metrics than it has series."""
    metrics.use(Recording(shard, limit=2))
    for number in range(5):
        counter = Counter(f"c{number}", help="Things.", labels=("a",))
        for value in range(3):
            counter.bind(value)(1)

    assert sum(said(shard)["monagent.series.overflow"].values()) == 10


def test_buckets_come_from_the_settings_first(shard: Shard) -> None:
    """MONAGENT_BUCKETS_<METRIC> holds for histograms declared with others."""
    metrics.use(Recording(shard, buckets=lambda name, _: {"h": (5.0,)}.get(name)))
    Histogram("h", help="Long.", buckets=(1.0, 2.0)).bind()(3)
    Histogram("other", help="Long.", buckets=(1.0, 2.0)).bind()(3)

    assert said(shard) == {"h": {(): [3, 1, 0]}, "other": {(): [3, 0, 0, 1]}}


def test_another_recording_forgets_what_was_bound(shard: Shard) -> None:
    """Recorders, families and kept caches lead to the new shard."""
    counter = Counter("c", help="Things.")
    kept = metrics.cache()
    kept["x"] = counter.bind()
    counter.bind()(1)
    other = Shard(None)
    metrics.use(Recording(other))
    counter.bind()(5)

    assert said(shard) == {"c": {(): 1}}
    assert said(other) == {"c": {(): 5}}
    assert kept == {}
    other.close()


def test_recording_imports_nothing_that_a_bare_interpreter_lacks() -> None:
    """Neither at import nor when the first series is made (gevent must be able to patch first, and
    a fork may come at any time)."""
    code = """
import sys
from monagent import metrics
before = set(sys.modules)
metrics.Counter("c", help="Things.", labels=("a",)).bind("x")(1)
heavy = {"threading", "socket", "ssl", "asyncio", "typing", "dataclasses", "enum", "re", "json",
         "functools", "collections", "contextlib", "logging", "inspect", "tempfile", "subprocess"}
print(sorted(heavy & set(sys.modules)), sorted(set(sys.modules) - before))
"""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)

    assert result.stdout == "[] []\n"
