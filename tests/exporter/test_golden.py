"""What the exporter itself shows changes on purpose only, and how goldens are compared."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import golden as goldens
from tests.exporter.forge import ACTIVE, LATENCY, REQUESTS, Forged
from tests.exporter.running import exporter, write_root

PREFIXES = ("monagent_", "process_", "python_", "target_", "http_")


def test_names_and_labels_of_the_exporter_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Its own metrics, those of the processes, and one of each kind as Prometheus text."""
    write_root(tmp_path, os.getpid())
    Forged(
        str(tmp_path),
        [
            (REQUESTS, {"route": "/"}, [1.0]),
            (LATENCY, {}, [0.5, 1.0, 0.0, 0.0, 0.5, 0.5]),
            (ACTIVE, {}, [1.0]),
        ],
        info={"python": "3.11.7", "implementation": "cpython"},
    )
    with exporter(tmp_path) as running:
        running.get()
        golden("exporter", lambda: running.get().text, *PREFIXES)


def test_values_and_order_do_not_count_names_types_and_labels_do() -> None:
    """The shape is what dashboards and alerts are built on."""
    text = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1",y="}\\" "} 5\na_total 2.5\n'
    other = '# TYPE a_total counter\n# HELP a_total A.\na_total 7\na_total{y="q",x="2"} NaN\n'
    histogram = (
        '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
    )

    assert goldens.shape(text) == goldens.shape(other)
    assert goldens.shape(text) != goldens.shape(text.replace("counter", "gauge"))
    assert goldens.shape(text) != goldens.shape(text.replace("x=", "z="))
    assert goldens.shape(histogram) == (
        '# TYPE h histogram\nh_bucket{le="*"} 0\nh_count 0\nh_sum 0\n'
    )
    assert goldens.shape(text + histogram, ("h",)) == goldens.shape(histogram)


def test_a_missing_or_different_golden_fails_and_an_update_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to do."""
    monkeypatch.setattr(goldens, "HOME", tmp_path / "golden")

    answers = ["b 1\n", "a 2\n"]

    def check(read: Callable[[], str], update: bool = False, seconds: float = 0) -> None:
        goldens.check("a", read, (), update, seconds)

    with pytest.raises(AssertionError, match="write it with --update-golden"):
        check(lambda: "a 1\n")
    check(lambda: "a 1\n", update=True)
    check(lambda: "a 2\n")
    with pytest.raises(AssertionError, match="differs"):
        check(lambda: "b 1\n")
    check(lambda: answers.pop(0), seconds=20)
