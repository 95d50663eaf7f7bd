"""The laws of merging: order is irrelevant, the folded count as before, gauges follow rules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monagent.exporter import exact
from monagent.exporter.merge import Feed, Retained, merge
from monagent.exporter.table import OVERFLOW, Table
from monagent.store.reader import Instrument, Series
from tests.exporter.forge import ACTIVE, LATENCY, LIBRARIES, REQUESTS, TEMPERATURE

FLOATS = st.floats(0, 1e12, allow_nan=False)
Said = list[tuple[Instrument, dict[str, Any], list[float]]]


def shard(table: Table, said: Said) -> tuple[Feed, list[float]]:
    """A feed into the table and the cells of a shard that said this."""
    cells = [9.0]
    series = []
    for instrument, attributes, values in said:
        series.append(Series(instrument, attributes, len(cells), len(values)))
        cells += values
    feed = Feed()
    feed.extend(table, series, {})
    return feed, cells


def shown(table: Table, cells: list[float]) -> dict[tuple[str, str], list[float]]:
    """The merged cells of every target that is served."""
    return {
        (t.instrument.name, t.key): cells[t.index : t.index + t.width]
        for t in table.targets
        if t.feeds
    }


@st.composite
def processes(draw: st.DrawFn) -> list[Said]:
    """What some processes said about few series."""

    def one() -> Said:
        said: Said = []
        for route in draw(st.sets(st.sampled_from("abc"))):
            said.append((REQUESTS, {"route": route}, [draw(FLOATS)]))
            buckets = [float(draw(st.integers(0, 9))) for _ in range(3)]
            low = draw(FLOATS)
            edges = [low, low + draw(FLOATS)]
            said.append((LATENCY, {"route": route}, [draw(FLOATS), *buckets, *edges]))
            set_to = [float(draw(st.integers(0, 1))), float(draw(st.integers(1, 9)))]
            said.append((LIBRARIES, {"library": route}, set_to))
        return said

    return [one() for _ in range(draw(st.integers(1, 5)))]


@settings(max_examples=200, deadline=None)
@given(processes(), st.data())
def test_the_total_is_the_same_however_many_are_folded_in_whatever_order(
    said: list[Said], data: st.DataObject
) -> None:
    """To the last bit, because a counter that falls by its last bit is a restart to Prometheus."""
    plain = Table()
    expected = shown(plain, merge(Retained(plain), [shard(plain, one) for one in said]))

    table = Table()
    retained = Retained(table)
    order = data.draw(st.permutations(said))
    folded = data.draw(st.integers(0, len(order)))
    for one in order[:folded]:
        feed, values = shard(table, one)
        retained.add(feed, values)
    found = shown(table, merge(retained, [shard(table, one) for one in order[folded:]]))

    assert found == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1), st.randoms())
def test_an_exact_sum_does_not_depend_on_the_order(numbers: list[float], random: Any) -> None:
    """The parts stand for the sum without error, so it is fsum's, in any order."""
    parts: list[float] = []
    random.shuffle(numbers)
    for number in numbers:
        exact.add(parts, number)

    assert exact.total(parts) == math.fsum(numbers)


def test_infinities_neither_raise_nor_vanish() -> None:
    """An application may record them; a total then says so."""
    parts: list[float] = []
    for number in (1.0, math.inf, 2.0):
        exact.add(parts, number)

    assert exact.total(parts) == math.inf
    parts = []
    for number in (1.0, 1.7e308, 1.7e308, 1e292):
        exact.add(parts, number)
    assert exact.total(parts) == math.inf
    assert math.isnan(exact.total([math.inf, -math.inf]))


def test_up_down_counters_and_gauges_of_the_dead_are_gone() -> None:
    """What a dead process had in flight is in flight no more, and what it found warm may be cold;
    but for a gauge of what was ever true."""
    table = Table()
    warm: Said = [(TEMPERATURE, {}, [30.0, 5.0]), (LIBRARIES, {}, [1.0, 5.0])]
    dead, values = shard(table, [(ACTIVE, {}, [3.0]), (REQUESTS, {}, [3.0]), *warm])
    retained = Retained(table)
    retained.add(dead, values)
    for target in retained.targets:
        target.feeds += 1
    dead.release()

    assert shown(table, merge(retained, [])) == {
        ("http.requests", "{}"): [3.0],
        ("libraries.info", "{}"): [1.0, 5.0],
    }
    living = shard(table, [(ACTIVE, {}, [2.0])])
    assert shown(table, merge(retained, [living]))["http.server.active_requests", "{}"] == [2.0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("sum", 6.0), ("max", 3.0), ("min", 1.0), ("last", 2.0), ("least", 1.0), ("ever", 3.0)],
)
def test_gauges_merge_by_their_rule_and_ignore_who_never_set(rule: str, expected: float) -> None:
    """Three processes set 1, 3 and, last of all, 2; a fourth never did."""
    gauge = Instrument("depth", "gauge", "", "", (), rule)
    table = Table()
    said = [(1.0, 10.0), (3.0, 11.0), (0.0, 0.0), (2.0, 12.0)]
    shards = [shard(table, [(gauge, {}, [value, stamp])]) for value, stamp in said]

    assert shown(table, merge(Retained(table), shards)) == {("depth", "{}"): [expected, 12.0]}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_least_is_of_those_that_were_set_lately(order: Sequence[int]) -> None:
    """Who has set its gauge no more, while others go on to, does not count; nor who never did."""
    gauge = Instrument("age", "gauge", "", "", (), "least")
    table = Table()
    said = [(1.0, 10.0), (0.0, 0.0), (5.0, 100.0), (3.0, 104.0)]
    shards = [shard(table, [(gauge, {}, [said[n][0], said[n][1]])]) for n in order]

    assert shown(table, merge(Retained(table), shards)) == {("age", "{}"): [3.0, 104.0]}


def test_attributes_that_differ_in_type_are_different_series() -> None:
    """1, 1.0, True and "1" are equal or alike in Python and are not the same attribute."""
    table = Table()

    places = {table.target(REQUESTS, {"a": value}).index for value in (1, 1.0, True, "1")}

    assert len(places) == 4


def test_beyond_the_limit_further_series_share_the_overflow_series() -> None:
    """Many processes, each within its own limit, cannot make the total grow without bound."""
    table = Table(limit=3)
    said: list[Said] = [[(REQUESTS, {"n": n}, [1.0])] for n in range(10)]
    cells = merge(Retained(table), [shard(table, one) for one in said])

    assert len(table.targets) == 5
    assert sum(cells) == 10.0
    assert table.targets[-1].attributes == OVERFLOW
