"""The function that ends a request adds what its series would get one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from monagent import metrics
from monagent.conventions import _arrivals
from monagent.conventions._arrivals import arrived, ender
from monagent.conventions._exchange import Exchange
from monagent.store.reader import ShardFile
from monagent.store.shard import Shard

if TYPE_CHECKING:
    from monagent.conventions._arrivals import Ender

SECONDS = (0.0, 0.00390625, 0.0078125, 0.5, 64.0)  # Sums of these are exact in any order.
BYTES = (0, 0, 1, 1000, 1001, 10**9)


@pytest.fixture
def shard() -> Iterator[Shard]:
    """Where requests are recorded."""
    made = Shard(None)
    metrics.use(metrics.Recording(made))
    yield made
    metrics.use(metrics.Recording())
    made.close()


def ended(end: Ender, chance: random.Random) -> None:
    """A request of any kind, from its arrival to its end."""
    exchange = Exchange()
    exchange.begin("GET", "http")
    exchange.start = 1.0
    exchange.end = 1.0 + chance.choice(SECONDS)
    exchange.first = chance.choice((0.0, 0.0, exchange.end - exchange.start + 1.0, 1.0))
    exchange.received, exchange.sent = chance.choice(BYTES), chance.choice(BYTES)
    was_active = chance.choice((1.0, 1.0, 0.0))
    if not was_active:
        exchange.inactive()
    end(exchange, was_active)


def cells(shard: Shard) -> dict[tuple[str, str], list[float]]:
    """All series, by metric and route."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    return {
        (one.instrument.name, str(one.attributes.get("http.route"))): list(
            values[one.index : one.index + one.width]
        )
        for one in file.series
    }


def recorders(route: str) -> tuple[Any, ...]:
    """What a request of this route adds to, beside the active ones."""
    labels = "GET", "http", route, 200, None
    families = "DURATION", "FIRST_BYTE", "REQUEST_SIZE", "RESPONSE_SIZE"
    return tuple(vars(_arrivals)[family].bind(*labels) for family in families)


def test_all_series_together_get_what_each_would_get(shard: Shard) -> None:
    """Random requests: fast and slow, of every size, in one piece and in several."""
    arrival = arrived("GET", "http")
    together = ender(arrival, "/together", 200, None)
    apart = _arrivals._apart(arrival.add, *recorders("/apart"))
    for end in (together, apart):
        chance = random.Random(11)
        for _ in range(1000):
            ended(end, chance)
    found = cells(shard)
    names = {name for name, route in found if route == "/together"}

    assert len(names) == 4
    for name in names:
        assert found[name, "/together"] == found[name, "/apart"]
        assert sum(found[name, "/together"][1:]) == 1000
    assert found["http.server.active_requests", "None"] == [0]


def test_only_plain_answers_have_joint_cells(shard: Shard) -> None:
    """What ends by an error is taken off the active ones before: such cells would stay empty."""
    arrival = arrived("GET", "http")
    ender(arrival, "/fails", 500, "ValueError")
    before = len(ShardFile(shard.snapshot()).joints)
    ender(arrival, "/works", 200, None)

    assert (before, len(ShardFile(shard.snapshot()).joints)) == (0, 1)


def chosen(
    edges: tuple[float, ...], metric: str, name: str, _unit: str
) -> tuple[float, ...] | None:
    """These buckets for one metric, or for all when that is ""."""
    return edges if metric in (name, "") else None


@pytest.mark.parametrize(
    "metric", ["http.server.request.duration", "http.server.request.body.size", ""]
)
@pytest.mark.parametrize("edges", [(), (-5.0, 0.1), (0.1, 1.0)])
def test_they_do_so_with_other_buckets(edges: tuple[float, ...], metric: str) -> None:
    """No edge at all, one below zero, other ones for one histogram only."""
    shard = Shard(None)
    metrics.use(metrics.Recording(shard, buckets=partial(chosen, edges, metric)))
    arrival = arrived("GET", "http")
    for end in (
        ender(arrival, "/together", 200, None),
        _arrivals._apart(arrival.add, *recorders("/apart")),
    ):
        chance = random.Random(13)
        for _ in range(500):
            ended(end, chance)
    found = cells(shard)
    metrics.use(metrics.Recording())
    shard.close()

    for name in {name for name, route in found if route == "/together"}:
        assert found[name, "/together"] == found[name, "/apart"]


def test_a_request_whose_series_are_just_being_made_is_not_the_rule(shard: Shard) -> None:
    """It is recorded a moment later, and the next one at once."""
    arrival = arrived("GET", "http")
    shard.busy = True
    ended(ender(arrival, "/late", 200, None), random.Random(17))
    shard.busy = False
    ended(ender(arrival, "/late", 200, None), random.Random(17))
    ended(ender(arrival, "/late", 200, None), random.Random(17))

    assert ender(arrival, "/late", 200, None) is arrival.enders[200]["/late"]
    assert sum(cells(shard)["http.server.request.duration", "/late"][1:]) == 3
