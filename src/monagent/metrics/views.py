"""What the SDK's views make of an instrument: the installed SDK is asked, and its answer put in our
words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics._internal import aggregation as sdk
from opentelemetry.sdk.metrics._internal import instrument as sdk_instruments
from opentelemetry.sdk.metrics.view import DefaultAggregation, View
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from monagent import guard
from monagent.metrics.declared import Recording
from monagent.metrics.family import Spec
from monagent.metrics.streams import Described

Shape = tuple[Spec, frozenset[str] | None]
"""A stream's descriptor, and the attributes it keeps."""

EVERY = View(instrument_name="*")


def sdk_class(of: str) -> type:
    """The SDK's class for an instrument, by which its readers state what they prefer."""
    found: type = getattr(sdk_instruments, f"_{of}")
    return found


def shapes(
    views: Iterable[View],
    described: Described,
    recording: Recording,
    preferred: Mapping[type, Any],
) -> list[Shape]:
    """The streams that the views make of an instrument; one as usual if no view speaks of it.

    Args:
        preferred: the aggregations that readers want in place of the default ones.
    """
    twin = _twin(described)
    speaking = [view for view in views if _speaks(view, twin, described)]
    made = []
    for view in speaking or [EVERY]:
        spec = _spec(view, twin, described, recording, preferred)
        if spec is not None:
            keys = view._attribute_keys
            made.append((spec, None if keys is None else frozenset(keys)))
    return made


def _twin(described: Described) -> Any:
    """The SDK's own instrument, which nothing is recorded with."""
    scope = InstrumentationScope(*described.scope)
    made = sdk_class(described.of)(
        described.name,
        scope,
        None,
        unit=described.unit,
        description=described.description,
    )
    if described.of == "Histogram":
        made._advisory = type(made._advisory)(explicit_bucket_boundaries=described.advised)
    return made


def _speaks(view: View, twin: Any, described: Described) -> bool:
    if not view._match(twin):
        return False
    histogram = isinstance(
        view._aggregation,
        (sdk.ExplicitBucketHistogramAggregation, sdk.ExponentialBucketHistogramAggregation),
    )
    if histogram and described.observed:
        guard.say(f"{described.name}: a view makes a histogram of callbacks; it is not applied")
        return False
    return True


def _spec(
    view: View,
    twin: Any,
    described: Described,
    recording: Recording,
    preferred: Mapping[type, Any],
) -> Spec | None:
    wanted = view._aggregation
    if isinstance(wanted, DefaultAggregation):
        wanted = preferred.get(type(twin), wanted)
    if isinstance(wanted, DefaultAggregation):
        spec = described.default(recording)
    else:
        found = _aggregated(wanted, view, twin, described)
        if found is None:
            return None
        spec = found
    spec.name = view._name or spec.name
    spec.help = view._description or spec.help
    return spec


def _aggregated(wanted: Any, view: View, twin: Any, described: Described) -> Spec | None:
    if isinstance(wanted, sdk.ExponentialBucketHistogramAggregation):
        guard.say(
            f"{described.name}: found a view with an exponential histogram, which monagent has "
            "not; explicit buckets take its place"
        )
        wanted = sdk.ExplicitBucketHistogramAggregation()
    found = wanted._create_aggregation(twin, None, view._exemplar_reservoir_factory, 0)
    if isinstance(found, sdk._DropAggregation):
        return None
    if isinstance(found, sdk._LastValueAggregation):
        return described.spec("gauge")
    if isinstance(found, sdk._SumAggregation):
        grows = described.of in ("Counter", "ObservableCounter")
        return described.spec("counter" if grows else "updowncounter")
    bounds: Sequence[float] = found._boundaries
    return described.spec("histogram", tuple(bounds), found._record_min_max)
