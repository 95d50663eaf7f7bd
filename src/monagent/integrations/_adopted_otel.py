"""OpenTelemetry: what the application records by its instruments is recorded once more, by us.

At the SDK's instruments, with the views of their provider; and at those of the API alone as long as
no provider was set.  The global provider is neither set nor read.  Callbacks are called by the
application's own readers and by nobody else: what they tell is heard on its way.
"""

from __future__ import annotations

from math import isfinite

from monagent.instrument.watch import failed
from monagent.integrations._adopted import target
from monagent.integrations._adopted_meters import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    UP_DOWN_COUNTER,
    Shape,
    observing,
    recorded,
    recorded_alone,
)
from monagent.metrics import recording
from monagent.metrics.pulse import beat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from monagent.integrations._adopted_meters import Tell
    from monagent.metrics import Recording

NAME = "otel"
API = "opentelemetry.metrics._internal.instrument"
METERS = "opentelemetry.metrics._internal"
SDK = "opentelemetry.sdk.metrics._internal.instrument"


class Kept:
    """What an instrument of the application keeps: ours for it, in one recording.

    Attributes:
        tell: takes an amount and attributes, or a round of observations; None: left out.
        signed: whether amounts below 0 count.
    """

    __slots__ = ("recording", "signed", "tell")

    def __init__(self, recording: Recording, tell: Tell | None, signed: bool) -> None:
        self.recording = recording
        self.tell = tell
        self.signed = signed


@target(NAME, SDK, "Counter.add")
def counted(original: Any) -> Any:
    return _with_sdk(original, COUNTER)


@target(NAME, SDK, "UpDownCounter.add")
def changed(original: Any) -> Any:
    return _with_sdk(original, UP_DOWN_COUNTER)


@target(NAME, SDK, "Histogram.record")
def measured(original: Any) -> Any:
    return _with_sdk(original, HISTOGRAM)


@target(NAME, SDK, "Gauge.set")
def placed(original: Any) -> Any:
    return _with_sdk(original, GAUGE)


@target(NAME, API, "_ProxyCounter.add")
def counted_alone(original: Any) -> Any:
    return _with_api(original, COUNTER)


@target(NAME, API, "_ProxyUpDownCounter.add")
def changed_alone(original: Any) -> Any:
    return _with_api(original, UP_DOWN_COUNTER)


@target(NAME, API, "_ProxyHistogram.record")
def measured_alone(original: Any) -> Any:
    return _with_api(original, HISTOGRAM)


@target(NAME, API, "_ProxyGauge.set")
def placed_alone(original: Any) -> Any:
    return _with_api(original, GAUGE)


@target(NAME, METERS, "_ProxyMeter.create_counter")
@target(NAME, METERS, "_ProxyMeter.create_up_down_counter")
@target(NAME, METERS, "_ProxyMeter.create_histogram")
@target(NAME, METERS, "_ProxyMeter.create_gauge")
def made(original: Any) -> Any:
    """An instrument of the API alone does not know its meter, whose name we need."""

    def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        instrument = original(self, *args, **kwargs)
        try:
            if hasattr(instrument, "_real_instrument"):
                scope = (self.name, self.version, self.schema_url, None)
                instrument._monagent_scope = scope
        except BaseException as error:
            failed(NAME, error)
        return instrument

    return create


@target(NAME, SDK, "_Asynchronous.callback")
def called(original: Any) -> Any:
    """A round in which a reader of the application asks; ours is told what it is told."""

    def callback(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        told = []
        for measurement in original(self, *args, **kwargs):
            told.append(measurement)
            yield measurement
        try:
            tell = (_kept(self) or _keep(self, observing(self), True)).tell
            if tell is not None:
                tell(told)
                beat()
        except BaseException as error:
            failed(NAME, error)

    return callback


def _with_sdk(original: Any, shape: Shape) -> Any:
    def record(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            kept = _kept(self) or _keep(self, recorded(self, shape), shape.signed)
            enabled = getattr(self, "_is_enabled", None)  # Old ones always are.
            if enabled is None or enabled():
                _tell(kept, args, kwargs)
        except BaseException as error:
            failed(NAME, error)
        return result

    return record


def _with_api(original: Any, shape: Shape) -> Any:
    def record(self: Any, *args: Any, **kwargs: Any) -> Any:
        alone = True
        try:
            alone = self._real_instrument is None
        except BaseException as error:
            failed(NAME, error)
        result = original(self, *args, **kwargs)
        try:
            if alone:
                kept = _kept(self) or _keep(self, recorded_alone(self, shape), shape.signed)
                _tell(kept, args, kwargs)
        except BaseException as error:
            failed(NAME, error)
        return result

    return record


def _tell(kept: Kept, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Without what the SDK refuses, which speaks of that itself."""
    if kept.tell is None:
        return
    amount = args[0] if args else kwargs["amount"]
    attributes = args[1] if len(args) > 1 else kwargs.get("attributes")
    if isinstance(amount, (int, float)):
        right = isfinite(amount) and (kept.signed or amount >= 0)
    else:
        right = kept.signed or not amount < 0
    if right:
        kept.tell(amount, attributes)


def _kept(instrument: Any) -> Kept | None:
    try:
        kept: Kept = instrument._monagent
    except AttributeError:
        return None
    return kept if kept.recording is recording() else None


def _keep(instrument: Any, tell: Tell | None, signed: bool) -> Kept:
    kept = instrument._monagent = Kept(recording(), tell, signed)
    return kept
