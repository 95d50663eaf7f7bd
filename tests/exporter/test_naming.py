"""Names, units and label names are those of opentelemetry-exporter-prometheus, for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.prometheus._mapping import (
    map_unit,
    sanitize_attribute,
    sanitize_full_name,
)
from prometheus_client import utils
from prometheus_client.openmetrics import exposition

from monagent import units
from monagent.exporter import naming

UNITS = st.one_of(
    st.text(max_size=8),
    st.from_regex(r"\A(s|ms|By|KiBy|m|h|d|w|1|%|Cel|x)?(/(s|m|h|d|w|mo|y|q))?({[a-z]*})?\Z"),
)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12), UNITS)
def test_any_text_is_mapped_as_the_package_maps_it(text: str, unit: str) -> None:
    """Three pure functions against three pure functions."""
    assert naming.metric(text) == sanitize_full_name(text)
    assert naming.label(text) == sanitize_attribute(text)
    assert units.unit(unit) == map_unit(unit)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("aZ0_:.")), max_size=12))
def test_names_that_are_prometheus_own_are_as_its_library_escapes_them(text: str) -> None:
    """Which leaves valid ones alone."""
    if not hasattr(exposition, "escape_metric_name"):
        pytest.skip("this release takes no others")
    assert naming.metric(text, naming.PROMETHEUS) == exposition.escape_metric_name(text)
    assert naming.label(text, naming.PROMETHEUS) == exposition.escape_label_name(text)


@given(st.one_of(st.floats(allow_nan=False), st.integers(0, 20).map(lambda power: 10.0**power)))
def test_edges_of_prometheus_own_are_as_its_library_writes_them(bound: float) -> None:
    """A million is 1e+06 there, and 1000000.0 elsewhere."""
    written = utils.floatToGoString(bound)  # type: ignore[no-untyped-call]  # it has no types
    assert naming.edge(bound, naming.PROMETHEUS) == written
    assert naming.edge(bound) == naming.number(bound)


def test_labels_are_sorted_escaped_and_never_empty() -> None:
    """One text for one set of labels, whatever the order of the attributes."""
    found = naming.labels({"z": 'q"\\\n', "b.c": True, "a": "", "": "x", "le": "1"}, reserved="le")

    assert found == 'b_c="true",z="q\\"\\\\\\n"'
    assert naming.labels({"le": "1"}, "le", naming.PROMETHEUS) == 'exported_le="1"'
