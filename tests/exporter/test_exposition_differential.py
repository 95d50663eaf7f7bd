"""Our text against opentelemetry-exporter-prometheus: the same series with the same values."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

from monagent.exporter.exposition import Exposition
from monagent.exporter.table import Table
from monagent.store.reader import Instrument

# The strict one; the package leaves it untyped.
parse_strictly: Any = openmetrics_parser.text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
Recorded = tuple[str, str, str, str, Sequence[tuple[dict[str, Any], float]]]

KINDS = ("counter", "updowncounter", "histogram", "gauge")
BOUNDS = (0.005, 1.0, 2.5, 10.0)
# Lower case, because the SDK lowers names before the exporter sees them.
NAMES = st.from_regex(r"\A[a-z][a-z0-9_./-]{0,12}\Z")
UNITS = st.sampled_from(
    ["", "1", "s", "ms", "By", "By/s", "{request}", "{a}/s", "m/s", "/s", "%", "kg/", "K.m"]
)
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
VALUES = st.one_of(
    st.text(max_size=6),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(-2, 2),
    st.lists(st.text(max_size=3), max_size=2),
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=3)
NUMBERS = st.one_of(st.integers(0, 20).map(float), st.floats(0, 1e9))


def reference(recorded: Sequence[Recorded], resource: dict[str, Any]) -> Samples:
    """What the package shows, with empty labels left out and equal series added up."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    provider = MeterProvider([reader], resource=Resource(resource), shutdown_on_exit=False)
    meter = provider.get_meter("test")
    for name, kind, unit, text, points in recorded:
        if kind == "counter":
            counter = meter.create_counter(name, unit, text)
            for attributes, value in points:
                counter.add(value, attributes)
        elif kind == "histogram":
            histogram = meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=BOUNDS
            )
            for attributes, value in points:
                histogram.record(value, attributes)
        elif kind == "updowncounter":
            updown = meter.create_up_down_counter(name, unit, text)
            for attributes, value in points:
                updown.add(-value, attributes)
        else:
            _gauge(meter, name, unit, text, points)
    found: Samples = defaultdict(float)
    for family in registry.collect():
        for sample in family.samples:
            found[_key(sample.name, sample.labels)] += sample.value
    provider.shutdown()
    return dict(found)


def _gauge(meter: Any, name: str, unit: str, text: str, points: Any) -> None:
    def observe(_: CallbackOptions) -> Any:
        for attributes, value in points:
            yield Observation(value, attributes)

    meter.create_observable_gauge(name, [observe], unit, text)


def ours(recorded: Sequence[Recorded], resource: dict[str, Any], openmetrics: bool) -> str:
    """What we show of the same."""
    table = Table()
    cells: list[float] = []
    for name, kind, unit, text, points in recorded:
        bounds = BOUNDS if kind == "histogram" else ()
        instrument = Instrument(name, kind, unit, text, bounds)
        for attributes, value in points:
            target = table.target(instrument, attributes)
            target.feeds += 1
            cells += [0.0] * (table.size - len(cells))
            at = target.index
            if kind == "histogram":
                bucket = next((i for i, edge in enumerate(BOUNDS) if value <= edge), len(BOUNDS))
                cells[at + 1 + bucket] += 1
                cells[at] += value
            elif kind == "gauge":
                cells[at : at + 2] = [value, 1.0]
            else:
                cells[at] += -value if kind == "updowncounter" else value
    return Exposition(table).render(cells, resource, openmetrics).decode()


def parsed(text: str, openmetrics: bool) -> Samples:
    """The samples of a text; the OpenMetrics parser is the strict one."""
    found: Samples = {}
    families = parse_strictly(text) if openmetrics else parse_text(text)
    for family in families:
        for sample in family.samples:
            key = _key(sample.name, sample.labels)
            assert key not in found, f"{key} stands there twice"
            found[key] = sample.value
    return found


def _key(name: str, labels: dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    shown = {key: value for key, value in labels.items() if value}
    if "le" in shown:
        shown["le"] = str(float(shown["le"]))
    return name, tuple(sorted(shown.items()))


def agree(recorded: Sequence[Recorded], resource: dict[str, Any]) -> None:
    """Asserts that both show the same, in both formats."""
    expected = reference(recorded, resource)
    for openmetrics in (True, False):
        found = parsed(ours(recorded, resource, openmetrics), openmetrics)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert math.isclose(found[key], value, rel_tol=1e-9, abs_tol=1e-9), key


@st.composite
def recordings(draw: st.DrawFn) -> list[Recorded]:
    """Some instruments of different names, each with some points of different attributes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=_bare))
    # Without any point the package shows nothing, not even target_info.
    made: list[Recorded] = [("sentinel", "counter", "", "", [({}, 1.0)])]
    for number, name in enumerate(names):
        attributes = draw(st.lists(ATTRIBUTES, max_size=3, unique_by=repr))
        points = [(one, draw(NUMBERS)) for one in attributes if "le" not in map(_bare, one)]
        kind = draw(st.sampled_from(KINDS))
        # A number in front keeps the names apart whatever unit follows.
        made.append((f"m{number}.{name}", kind, draw(UNITS), draw(st.text(max_size=8)), points))
    return made


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


@settings(max_examples=150, deadline=None)
@given(recordings(), st.dictionaries(KEYS, st.text(max_size=5), max_size=3))
def test_every_series_and_value_is_that_of_the_package(
    recorded: list[Recorded], resource: dict[str, Any]
) -> None:
    """Odd names, odd units, all kinds, all types of attributes, in both formats."""
    agree(recorded, resource)


def test_names_units_and_suffixes_are_those_of_the_package() -> None:
    """The cases in which names and units meet: a unit that is there already, _total, digits."""
    point = [({"code": 200, "ok": True, "tags": ["a", "b"]}, 3.0)]
    names = ["jobs", "jobs_total", "wait.seconds", "wait_seconds_total", "a..b//c", "a_-_b"]
    units = ["", "s", "1", "{job}", "By/s", "kg.m"]

    for name in names:
        for unit in units:
            for kind in KINDS:
                agree([(name, kind, unit, "Help.", point)], {"service.name": "a"})


def test_help_with_quotes_backslashes_and_newlines_survives() -> None:
    """Help is escaped by the rules of each format, which differ in the quotation mark."""
    text = 'a "quoted" \\ back\nslash'
    shown = ours([("m", "counter", "", text, [({}, 1.0)])], {}, True)
    plain = ours([("m", "counter", "", text, [({}, 1.0)])], {}, False)

    assert [f.documentation for f in parse_strictly(shown)][1] == text
    assert [f.documentation for f in parse_text(plain)][1] == text
