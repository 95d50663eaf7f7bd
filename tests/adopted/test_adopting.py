"""What is wrapped, when, and what is told where that cannot be."""

from __future__ import annotations

import sys
from typing import Any

import prometheus_client
import pytest

from monagent import catalogue
from monagent.exporter.families import SUFFIXES
from monagent.instrument import hooks, status, targets
from monagent.integrations import _adopted
from tests.http_client.numbers import Numbers

MODULE = sys.modules["prometheus_client.metrics"]


def test_a_module_that_is_imported_later_is_wrapped_then(numbers: Numbers) -> None:
    """And one that nobody asked for is not."""
    targets.undo("prometheus_client")
    (adopting,) = hooks.others
    wrap = adopting("prometheus_client.metrics")
    assert wrap is not None
    wrap(MODULE)

    assert hasattr(prometheus_client.Counter.inc, "__wrapped__")
    assert adopting("prometheus_client.samples") is None


def test_a_version_that_is_not_covered_stays_as_it_is(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status says why."""
    targets.undo("prometheus_client")
    monkeypatch.setattr(_adopted, "version", lambda word: "0.7.1")
    status.known.clear()
    _adopted._apply("prometheus_client", MODULE)

    found = status.known["prometheus_client"]
    assert (found.state, found.reason) == (
        status.UNSUPPORTED,
        "found version 0.7.1, expected >=0.8",
    )
    assert not hasattr(prometheus_client.Counter.inc, "__wrapped__")


def test_a_method_that_is_not_there_is_told(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the status; the rest is adopted."""
    targets.undo("prometheus_client")
    monkeypatch.delattr(prometheus_client.Enum, "state")
    status.known.clear()
    _adopted._apply("prometheus_client", MODULE)

    found = status.known["prometheus_client"]
    assert (found.state, found.reason) == (
        status.MISSING,
        "prometheus_client.metrics:Enum.state is not there",
    )
    assert hasattr(prometheus_client.Counter.inc, "__wrapped__")


@pytest.mark.swallows
def test_what_fails_in_adopting_is_swallowed(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, swallowed: list[Any]
) -> None:
    """The import of the application's library goes on."""

    def fail(word: str) -> str:
        raise MemoryError(word)

    monkeypatch.setattr(_adopted, "version", fail)
    _adopted._apply("prometheus_client", MODULE)

    assert [component for component, _ in swallowed] == ["prometheus_client"]
    found = status.known["prometheus_client"]
    assert (found.state, found.reason) == (status.FAILED, "MemoryError while adopting")


def test_every_name_of_the_endpoint_is_known() -> None:
    """Of the conventions and of the exporter, in each form that a sample may have."""
    for _, metric in catalogue.declared():
        assert catalogue.holds(metric.name, metric.kind, metric.unit)
        for suffix in SUFFIXES.get(metric.kind, ("",)):
            shown = catalogue.exposed(metric).removesuffix("_total") + suffix
            assert catalogue.holds(shown, "gauge", "")
    assert catalogue.holds("monagent_scrape_duration_seconds", "histogram", "")
    assert not catalogue.holds("orders", "counter", "")
    for name, kind in (("target_info", "gauge"), ("target.info", "gauge"), ("target", "counter")):
        assert catalogue.holds(name, kind, "")
    assert catalogue.holds("process__cpu_time", "counter", "s")
    assert not catalogue.holds("process__cpu_time_seconds", "counter", "", "prometheus_client")
