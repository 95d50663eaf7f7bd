"""OpenTelemetry's `MeterProvider` over the store: instrumentors and whatever else takes one record
through it into this process's shard.

    FastAPIInstrumentor().instrument(meter_provider=MeterProvider())

Works with opentelemetry-api 1.12 and later; the SDK is imported for views only.  The global meter
provider is neither set nor read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import metrics as api

from monagent import guard
from monagent.metrics import instruments, observables, sampler
from monagent.metrics.declared import Recording
from monagent.metrics.declared import recording as current
from monagent.metrics.instruments import Synchronous
from monagent.metrics.observables import Callback, Observable
from monagent.metrics.streams import Described, Stream
from monagent.store.attributes import identity

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.view import View

    from monagent.metrics.family import Spec

# https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax
_NAME = re.compile(r"[a-zA-Z][-_./a-zA-Z0-9]{0,254}")
_UNIT = re.compile(r"[\x00-\x7F]{0,63}")

Callbacks = Sequence[Callback | Generator[Any, Any, None]] | None
Made = TypeVar("Made", bound=Synchronous | Observable)


class MeterProvider(api.MeterProvider):
    """Meters that record into `recording`, or into that of the process.

    Args:
        views: SDK views.  Exponential histograms are not to be had: such a view gets explicit
            buckets, and one line on stderr says so.

    Attributes:
        preferred: aggregations in place of the default ones, by the SDK's class of instrument.
        takes_extremes: whether histograms note their extremes since somebody took them.
    """

    preferred: Mapping[type, Any] = {}
    takes_extremes = False

    def __init__(self, recording: Recording | None = None, views: Sequence[View] = ()) -> None:
        self.recording = current() if recording is None else recording
        self.views = tuple(views)
        self.streams: list[Stream] = []
        self.observables: list[Observable] = []
        self._meters: dict[object, Meter] = {}
        self._ended = False

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> api.Meter:
        """The meter of this scope.  Its attributes are not in the shard: scopes that differ in
        nothing else are added up there."""
        if not name or self._ended:
            guard.say(f"found a meter {'without a name' if not name else 'after shutdown'}; unused")
            return api.NoOpMeter(name, version=version, schema_url=schema_url)
        key = (name, version, schema_url, identity(dict(attributes or {})))
        meter = self._meters.get(key)
        if meter is None:
            made = Meter(self, name, version, schema_url, attributes)
            meter = self._meters.setdefault(key, made)
        return meter

    def make(self, described: Described) -> list[Stream]:
        """The streams of a new instrument."""
        found: list[tuple[Spec, frozenset[str] | None]]
        if self.views or self.preferred:
            from monagent.metrics.views import shapes  # The SDK costs 200 ms.

            found = shapes(self.views, described, self.recording, self.preferred)
        else:
            found = [(described.default(self.recording), None)]
        return [Stream(self.recording, described, *shape, self.takes_extremes) for shape in found]

    def adopt(self, streams: list[Stream], instrument: Synchronous | Observable) -> None:
        """Takes note of a new instrument."""
        self.streams += streams
        if isinstance(instrument, Observable):
            instrument.begin()
            if not self.observables:
                sampler.watch(self.observe)
            self.observables.append(instrument)

    def observe(self) -> None:
        """Calls all callbacks now."""
        with sampler.turn():
            for one in list(self.observables):
                one.observe()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 - see subclasses
        """Calls all callbacks; what was recorded is where it belongs at once."""
        self.observe()
        return True

    def shutdown(self, timeout_millis: float = 30_000) -> None:  # noqa: ARG002 - see subclasses
        """Ends the calling of callbacks."""
        self._ended = True
        sampler.unwatch(self.observe)


class Meter(api.Meter):
    """Makes instruments, each once."""

    def __init__(
        self,
        provider: MeterProvider,
        name: str,
        version: str | None,
        schema_url: str | None,
        attributes: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(name, version, schema_url)
        self._provider = provider
        self._scope = (name, version, schema_url, attributes)
        self._made: dict[object, Any] = {}

    def create_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> instruments.Counter:
        """A counter."""
        return self._make(instruments.Counter, name, unit, description)

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> instruments.UpDownCounter:
        """An up/down counter."""
        return self._make(instruments.UpDownCounter, name, unit, description)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> instruments.Gauge:
        """A gauge; of several processes' values the one set last counts."""
        return self._make(instruments.Gauge, name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> instruments.Histogram:
        """A histogram; edges come from a view, the settings, the advisory or the specification."""
        advised = _edges(name, explicit_bucket_boundaries_advisory)
        return self._make(instruments.Histogram, name, unit, description, advised)

    def create_observable_counter(
        self, name: str, callbacks: Callbacks = None, unit: str = "", description: str = ""
    ) -> observables.ObservableCounter:
        """A counter whose total the callbacks know."""
        return self._make(observables.ObservableCounter, name, unit, description, None, callbacks)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Callbacks = None, unit: str = "", description: str = ""
    ) -> observables.ObservableUpDownCounter:
        """An up/down counter whose total the callbacks know."""
        kind = observables.ObservableUpDownCounter
        return self._make(kind, name, unit, description, None, callbacks)

    def create_observable_gauge(
        self, name: str, callbacks: Callbacks = None, unit: str = "", description: str = ""
    ) -> observables.ObservableGauge:
        """A gauge whose value the callbacks know."""
        return self._make(observables.ObservableGauge, name, unit, description, None, callbacks)

    def _make(
        self,
        kind: type[Made],
        name: str,
        unit: str | None,
        description: str | None,
        advised: tuple[float, ...] | None = None,
        *callbacks: Callbacks,
    ) -> Made:
        unit, description = unit or "", description or ""
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r}: expected an instrument name of at most 255 ASCII characters, "
                "a letter and then letters, digits, '_', '.', '-' or '/'"
            )
        if not _UNIT.fullmatch(unit):
            raise ValueError(f"{name}: found unit {unit!r}, expected at most 63 ASCII characters")
        key = (kind, name.lower(), unit, description)
        found: tuple[Described, Made] | None = self._made.get(key)
        if found is None:
            described = Described(
                kind.__name__, name.lower(), unit, description, self._scope, advised
            )
            streams = self._provider.make(described)
            made = (described, kind(described, streams, *callbacks))
            # No lock: a signal handler may come here in between.  Whoever is first is kept.
            found = self._made.setdefault(key, made)
            if found is made:
                self._provider.adopt(streams, made[1])
        if found[0].advised != advised:
            guard.say(f"{name}: found other bucket edges than at its first making; unused")
        return found[1]


def _edges(name: str, advised: Any) -> tuple[float, ...] | None:
    if advised is None:
        return None
    if isinstance(advised, Sequence) and all(isinstance(edge, (float, int)) for edge in advised):
        rising = all(low < high for low, high in itertools.pairwise(advised))
        if rising and all(abs(edge) <= instruments.LARGEST for edge in advised):
            return tuple(advised)
    guard.say(f"{name}: found bucket edges {advised!r}, expected rising finite numbers; unused")
    return None
