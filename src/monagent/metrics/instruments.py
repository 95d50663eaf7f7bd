"""The instruments that an application records with: OpenTelemetry's API, our cells.

They never raise: a measurement that is none (not a number, not finite, negative where it must not
be) is left out and told of once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, SupportsFloat

from opentelemetry import metrics as api

from monagent import guard
from monagent.clock import perf_counter
from monagent.metrics.attributes import clean_mapping, lookup, plain
from monagent.metrics.pulse import due, pulse
from monagent.metrics.streams import Described, Stream

if TYPE_CHECKING:
    from monagent.metrics.recorders import Recorder

# The API has had a gauge that is set since 1.23.
_Gauge: Any = getattr(api, "_Gauge", api.Synchronous)

LARGEST = sys.float_info.max
KEPT = 20_000
"""Sets of attributes, as passed, for which one instrument remembers the recorder."""

_told: set[tuple[str, str]] = set()


class Synchronous:
    """What instruments have in common: recorders by attributes."""

    def __init__(self, described: Described, streams: list[Stream]) -> None:
        self.name = described.name
        self.unit = described.unit
        self.description = described.description
        self._streams = streams
        self._bound: dict[object, Recorder] = {}
        self._bare: Recorder | None = None

    def _recorder(self, attributes: Mapping[str, Any] | None) -> Recorder:
        now = perf_counter()
        if now > due[0]:
            pulse(now)
        if not attributes:
            return self._bare or self._find({})
        try:
            return self._bound[lookup(attributes)]
        except (KeyError, TypeError, AttributeError):
            return self._find(attributes)

    def _find(self, attributes: Mapping[str, Any]) -> Recorder:
        if not isinstance(attributes, Mapping):
            tell(self.name, f"attributes of {type(attributes).__name__}, expected a mapping")
            attributes = {}
        try:
            cleaned = clean_mapping(attributes)
        except (
            Exception
        ) as error:  # The application's own: a value without a text, a broken mapping.
            tell(self.name, f"attributes that raise {type(error).__name__}, expected values")
            return _leave_out
        found = [stream.recorder(cleaned) for stream in self._streams]
        made = found[0][0] if len(found) == 1 else _all([recorder for recorder, _ in found])
        if all(keep for _, keep in found):
            if not attributes:
                self._bare = made
            elif plain(attributes):
                if len(self._bound) >= KEPT:
                    self._bound.clear()
                self._bound[lookup(attributes)] = made
        return made

    def _failed(self, error: BaseException) -> None:
        guard.failed("metrics", error)
        if guard.off("metrics"):
            self._recorder = _nobody  # type: ignore[method-assign]  # for good


class Counter(Synchronous, api.Counter):
    """A sum that only grows."""

    def add(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Any = None,  # noqa: ARG002 - for exemplars, which the store has not
    ) -> None:
        """Adds `amount`, which must not be negative."""
        try:
            kind = amount.__class__
            if kind is not float and kind is not int:
                amount = number(amount)
            if 0 <= amount <= LARGEST:
                self._recorder(attributes)(amount)
            else:
                tell(self.name, f"{amount}, expected a finite number not below 0")
        except BaseException as error:
            self._failed(error)


class UpDownCounter(Synchronous, api.UpDownCounter):
    """A sum that also falls."""

    def add(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Any = None,  # noqa: ARG002 - for exemplars, which the store has not
    ) -> None:
        """Adds `amount`."""
        try:
            kind = amount.__class__
            if kind is not float and kind is not int:
                amount = number(amount)
            if -LARGEST <= amount <= LARGEST:
                self._recorder(attributes)(amount)
            else:
                tell(self.name, f"{amount}, expected a finite number")
        except BaseException as error:
            self._failed(error)


class Histogram(Synchronous, api.Histogram):
    """Values counted by size."""

    def record(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Any = None,  # noqa: ARG002 - for exemplars, which the store has not
    ) -> None:
        """Counts `amount`, which must not be negative."""
        try:
            kind = amount.__class__
            if kind is not float and kind is not int:
                amount = number(amount)
            if 0 <= amount <= LARGEST:
                self._recorder(attributes)(amount)
            else:
                tell(self.name, f"{amount}, expected a finite number not below 0")
        except BaseException as error:
            self._failed(error)


class Gauge(Synchronous, _Gauge):  # type: ignore[misc]  # its base depends on the API's version
    """A value that is set."""

    def set(
        self,
        amount: float,
        attributes: Mapping[str, Any] | None = None,
        context: Any = None,  # noqa: ARG002 - for exemplars, which the store has not
    ) -> None:
        """Sets the value to `amount`."""
        try:
            kind = amount.__class__
            if kind is not float and kind is not int:
                amount = number(amount)
            if -LARGEST <= amount <= LARGEST:
                self._recorder(attributes)(amount)
            else:
                tell(self.name, f"{amount}, expected a finite number")
        except BaseException as error:
            self._failed(error)


def number(amount: object) -> float:
    """`amount` as a float; NaN, which nobody records, for what is no number."""
    if isinstance(amount, SupportsFloat) and not isinstance(amount, (str, bytes)):
        try:
            return float(amount)
        except (TypeError, ValueError, OverflowError):
            pass
    return float("nan")


def tell(name: str, what: str) -> None:
    """Says once per instrument and kind of mistake that a measurement was left out."""
    mistake = (name, what.partition(", ")[2])
    if mistake not in _told:
        _told.add(mistake)
        guard.say(f"{name}: found {what}; such measurements are left out")


def _nobody(attributes: object) -> Recorder:  # noqa: ARG001 - in the place of a method
    return _leave_out


def _leave_out(value: float) -> None:
    """Records nothing."""


def _all(recorders: list[Recorder]) -> Recorder:
    def record(value: float) -> None:
        for one in recorders:
            one(value)

    return record
