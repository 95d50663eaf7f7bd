"""The SDK's meter provider and ours, told the same: what one gives its reader, the other must."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider as Theirs
from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    InMemoryMetricReader,
    MetricsData,
    Sum,
)
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource

from monagent.embedding import MeterProvider as Ours
from monagent.metrics import Recording
from monagent.store.shard import Shard

DELTA = AggregationTemporality.DELTA
RESOURCE = Resource({"service.name": "twins"})
KINDS = (
    "counter",
    "up_down_counter",
    "histogram",
    "gauge",
    "observable_counter",
    "observable_up_down_counter",
    "observable_gauge",
)


class Twins:
    """Both providers with as many readers as `preferences`, the same for both.

    Attributes:
        compared: points that both sides were compared by.
    """

    def __init__(
        self,
        views: Sequence[View] = (),
        preferences: Sequence[Mapping[str, Any]] = ({},),
        directory: str | None = None,
        **recording: Any,
    ) -> None:
        self.shard = Shard(directory)
        self.compared = 0
        theirs = [InMemoryMetricReader(**one) for one in preferences]
        ours = [InMemoryMetricReader(**one) for one in preferences]
        self.readers = list(zip(theirs, ours, strict=True))
        self.providers = (
            Theirs(theirs, RESOURCE, shutdown_on_exit=False, views=views),
            Ours(Recording(self.shard, **recording), views, ours, RESOURCE, shutdown_on_exit=False),
        )

    def make(self, scope: Sequence[Any], kind: str, *args: Any, **named: Any) -> Twin:
        """The same instrument of both."""
        both = [
            getattr(provider.get_meter(*scope), f"create_{kind}")(*args, **named)
            for provider in self.providers
        ]
        return Twin(both)

    def differences(self, which: int = 0) -> list[str]:
        """What the two sides tell reader number `which`, where they disagree."""
        told, ours = (told_by(reader.get_metrics_data()) for reader in self.readers[which])
        self.compared += len(told)
        return differences(told, ours)

    def close(self) -> None:
        """Ends both."""
        for provider in self.providers:
            provider.shutdown()
        self.shard.close()


class Twin:
    """One instrument of both sides."""

    def __init__(self, both: Sequence[Any]) -> None:
        self.both = both

    def __call__(self, value: Any, attributes: Any) -> None:
        """Records on both."""
        for one in self.both:
            record = getattr(one, "add", None) or getattr(one, "record", None) or one.set
            record(value, attributes)


class Source:
    """What an observable's callback tells until it is told otherwise; as a function, or as a
    generator for each side."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def __call__(self, options: CallbackOptions) -> Iterable[Observation]:
        return list(self.observations)


def told_by(data: MetricsData | None) -> list[tuple[Any, ...]]:
    """Every point, with all that surrounds it, in an order that depends on what it says alone.

    A difference of 0 is left out: a cell does not tell +1-1 from nothing.
    """
    found = []
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                held: Any = metric.data
                temporality = getattr(held, "aggregation_temporality", None)
                monotonic = getattr(held, "is_monotonic", None)
                around = (
                    str(dict(resource.resource.attributes)),
                    scope.scope.name,
                    str(scope.scope.version),
                    scope.scope.schema_url,
                    str(_hash_attributes(scope.scope.attributes)),
                    scope.schema_url,
                    metric.name,
                    metric.description,
                    metric.unit,
                    type(held).__name__,
                    str(temporality),
                    str(monotonic),
                )
                for point in held.data_points:
                    says = _says(point, isinstance(held, Histogram))
                    if says == [0] and temporality is DELTA and isinstance(held, Sum):
                        continue
                    found.append((*around, str(_hash_attributes(point.attributes)), says))
    return sorted(found, key=repr)


def _says(point: Any, histogram: bool) -> list[float]:
    if not histogram:
        return [float(point.value)]
    told = (point.count, point.sum, point.min, point.max)
    return [float(one) for one in (*told, *point.bucket_counts, *point.explicit_bounds)]


def differences(told: list[tuple[Any, ...]], ours: list[tuple[Any, ...]]) -> list[str]:
    """Where two outcomes of `told_by` differ by more than rounding."""
    found = []
    sides: tuple[dict[Any, list[Any]], ...] = ({}, {})
    for side, points in zip(sides, (told, ours), strict=True):
        for *around, says in points:
            side.setdefault(tuple(around), []).append(says)
    for around in sides[0].keys() | sides[1].keys():
        both = [side.get(around, []) for side in sides]
        if not _alike(*both):
            found.append(f"{around}: {both[0]} and not {both[1]}")
    return found


def _alike(told: list[list[Any]], ours: list[list[Any]]) -> bool:
    return len(told) == len(ours) and all(
        len(one) == len(other)
        and all(
            math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6) for a, b in zip(one, other, strict=True)
        )
        for one, other in zip(told, ours, strict=True)
    )


class Text:
    """A value that is no attribute, but has a text."""

    def __str__(self) -> str:
        return "text"


class Mute:
    """A value without even a text."""


class Shade(str):
    """Text of another type, which makes it another value."""


_TEXTS = ("", "a", "b", "GET", "text", "ä\ud800")


def an_attribute(rng: random.Random, depth: int = 0) -> Any:
    """A value of any kind that OpenTelemetry knows or has to cope with."""
    simple: list[Any] = [
        rng.choice(_TEXTS),
        rng.choice((True, False)),
        rng.choice((0, 1, 2, -1, 2**70)),
        rng.choice((0.0, 1.0, 2.5, -0.0, math.inf)),
        rng.choice((b"", b"a", b"\xff\x00")),
        None,
        Shade("a"),
        bytearray(b"ab"),
        Text(),
        Mute(),
        range(2),
    ]
    if depth < 3 and rng.random() < 0.3:
        several = [an_attribute(rng, depth + 1) for _ in range(rng.randrange(3))]
        mapping = {rng.choice(("k", "l", 1, "")): one for one in several}
        return rng.choice(
            (several, tuple(several), mapping, [("k", 1)], {"k": 1}, {"bytes": "YQ=="})
        )
    return rng.choice(simple)


def some_attributes(rng: random.Random) -> Any:
    """What an application passes for attributes, mostly sensible."""
    if rng.random() < 0.03:
        return rng.choice(("text", 5, [1], Mute()))
    if rng.random() < 0.15:
        return rng.choice((None, {}))
    keys = rng.sample(("a", "b", "c", "http.route", "", 1, True, None), rng.randrange(1, 5))
    return {
        key: rng.choice(("x", "y", 1, 1.0, True)) if rng.random() < 0.6 else an_attribute(rng)
        for key in keys
    }


def a_value(rng: random.Random) -> Any:
    """What an application records, now and then what it should not."""
    if rng.random() < 0.05:
        return rng.choice((math.nan, math.inf, -math.inf, -1, -2.5, True, False))
    return rng.choice((rng.randrange(200), rng.random() * 20, rng.expovariate(0.001), 0, 5, 10.0))
