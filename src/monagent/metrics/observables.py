"""Instruments whose value only a callback knows.

A round calls all callbacks of an instrument and puts what they told into the cells; a series that a
round leaves out is told no more, but for counters, whose total must not fall.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as api

from monagent import guard
from monagent.metrics import sampler
from monagent.metrics.attributes import clean_mapping
from monagent.metrics.instruments import LARGEST, number, tell
from monagent.metrics.streams import Described, Stream

if TYPE_CHECKING:
    from monagent.metrics.recorders import Recorder

Callback = Callable[[api.CallbackOptions], Iterable[api.Observation]]


class Observable:
    """What observable instruments have in common.

    Attributes:
        told: by stream, the total of each series in the last round.
    """

    def __init__(
        self,
        described: Described,
        streams: list[Stream],
        callbacks: Sequence[Callback | Generator[Any, Any, None]] | None,
    ) -> None:
        self.name = described.name
        self.unit = described.unit
        self.description = described.description
        self.told: dict[Stream, dict[Recorder, float]] = {stream: {} for stream in streams}
        self._given = list(callbacks or ())
        self._callbacks: list[Callback] = []
        self._failed = False

    def begin(self) -> None:
        """Brings generators to where they wait for their first round."""
        for callback in self._given:
            if isinstance(callback, Generator):
                next(callback)
                self._callbacks.append(_resumed(callback))
            else:
                self._callbacks.append(callback)

    def observe(self) -> None:
        """One round."""
        told: dict[Stream, dict[Recorder, float]] = {stream: {} for stream in self.told}
        for callback in self._callbacks:
            try:
                for observation in callback(api.CallbackOptions()):
                    self._take(observation, told)
            except Exception as error:
                self._tell(error)
        before, self.told = self.told, told
        for stream, totals in told.items():
            for recorder, total in totals.items():
                recorder(total)
            for recorder in before[stream].keys() - totals.keys():
                stream.withdraw(recorder)

    def _take(
        self, observation: api.Observation, told: dict[Stream, dict[Recorder, float]]
    ) -> None:
        value = observation.value
        if type(value) not in (int, float):
            value = number(value)
        if not -LARGEST <= value <= LARGEST:
            tell(self.name, f"{value}, expected a finite number")
            return
        attributes = clean_mapping(observation.attributes or {})
        for stream, totals in told.items():
            recorder, _ = stream.recorder(attributes)
            if stream.spec.kind == "gauge":
                totals[recorder] = value
            else:
                totals[recorder] = totals.get(recorder, 0) + value

    def _tell(self, error: BaseException) -> None:
        if not self._failed and not sampler.over():
            self._failed = True
            guard.say(f"{self.name}: its callback failed: {type(error).__name__}: {error}")


class ObservableCounter(Observable, api.ObservableCounter):
    """A total that only grows."""


class ObservableUpDownCounter(Observable, api.ObservableUpDownCounter):
    """A total that also falls."""


class ObservableGauge(Observable, api.ObservableGauge):
    """A value."""


def _resumed(callback: Generator[Any, Any, None]) -> Callback:
    def observations(options: api.CallbackOptions) -> Iterable[api.Observation]:
        try:
            told: Iterable[api.Observation] = callback.send(options)
        except StopIteration:
            return ()
        return told

    return observations
