"""OpenTelemetry's instruments of the application, and ours beside each: of the same name, unit and
scope, with the same edges and views.
"""

from __future__ import annotations

from monagent.conventions import _adopted
from monagent.metrics import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.metrics.provider import Meter, MeterProvider

    Tell = Callable[..., None]

OF_ITSELF = "opentelemetry-sdk"
"""The scope in which the SDK counts what it exports itself; monagent exports by it, too."""

_providers: dict[Any, MeterProvider] = cache()


class Shape:
    """One kind of instrument: how ours is made and told, and as what it is stored."""

    __slots__ = ("kind", "make", "signed", "tell")

    def __init__(self, make: str, tell: str, kind: str, signed: bool) -> None:
        self.make = make
        self.tell = tell
        self.kind = kind
        self.signed = signed


COUNTER = Shape("create_counter", "add", "counter", False)
UP_DOWN_COUNTER = Shape("create_up_down_counter", "add", "updowncounter", True)
HISTOGRAM = Shape("create_histogram", "record", "histogram", False)
GAUGE = Shape("create_gauge", "set", "gauge", True)


def recorded(instrument: Any, shape: Shape) -> Tell | None:
    """Ours for an instrument of the SDK."""
    advisory = getattr(instrument, "_advisory", None)
    return _ours(
        shape,
        _meter(_scope(instrument), _views(instrument)),
        instrument.name,
        instrument.unit,
        instrument.description,
        getattr(advisory, "explicit_bucket_boundaries", None),
    )


def recorded_alone(instrument: Any, shape: Shape) -> Tell | None:
    """Ours for an instrument of the API that has no other behind it."""
    scope = getattr(instrument, "_monagent_scope", None)
    if scope is None:  # Made before we were there.
        return None
    return _ours(
        shape,
        _meter(scope, ()),
        instrument._name,
        instrument._unit,
        instrument._description,
        getattr(instrument, "_explicit_bucket_boundaries_advisory", None),
    )


def _ours(
    shape: Shape,
    meter: Meter | None,
    name: str,
    unit: str | None,
    description: str | None,
    advised: Any,
) -> Tell | None:
    if meter is None or _adopted.is_ours(name.lower(), shape.kind, unit or ""):
        return None
    more = {"explicit_bucket_boundaries_advisory": advised} if shape is HISTOGRAM else {}
    try:
        created = getattr(meter, shape.make)(name, unit or "", description or "", **more)
    except ValueError:  # A name that no SDK would take.
        return None
    tell: Tell = getattr(created, shape.tell)
    return tell


def observing(instrument: Any) -> Tell | None:
    """Ours for an observable instrument of the SDK: takes the observations of a round."""
    from monagent.metrics import observables
    from monagent.metrics.streams import KINDS, Described

    of = next(name for name in map(_class_name, type(instrument).__mro__) if name in KINDS)
    scope = _scope(instrument)
    if scope[0] == OF_ITSELF or _adopted.is_ours(instrument.name, KINDS[of], instrument.unit):
        return None
    described = Described(of, instrument.name, instrument.unit, instrument.description, scope)
    streams = _provider(_views(instrument)).make(described)
    last: list[Any] = [()]
    made = getattr(observables, of)(described, streams, [lambda _: last[0]])
    made.begin()

    def tell(told: list[Any]) -> None:  # Readers of one provider ask one after the other.
        last[0] = told
        made.observe()

    return tell


def _class_name(kind: type) -> str:
    return kind.__name__


def _scope(instrument: Any) -> tuple[Any, Any, Any, Any]:
    found = instrument.instrumentation_scope
    return found.name, found.version, found.schema_url, getattr(found, "attributes", None)


def _views(instrument: Any) -> tuple[Any, ...]:
    """The views of the provider that an instrument of the SDK is of."""
    configured = getattr(instrument._measurement_consumer, "_sdk_config", None)
    return tuple(getattr(configured, "views", ()))


def _meter(scope: tuple[Any, Any, Any, Any], views: tuple[Any, ...]) -> Meter | None:
    name, version, schema_url, attributes = scope
    if not name or name == OF_ITSELF:
        return None
    # The API alone and the SDK have other words for nothing.
    found: Any = _provider(views).get_meter(name, version or None, schema_url or None, attributes)
    return found  # type: ignore[no-any-return]  # of ours


def _provider(views: tuple[Any, ...]) -> MeterProvider:
    found = _providers.get(views)
    if found is None:
        from monagent.metrics.provider import MeterProvider  # The API is whole by now.

        found = _providers.setdefault(views, MeterProvider(views=views))
    return found
