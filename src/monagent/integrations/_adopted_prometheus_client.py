"""prometheus_client: what the application counts by it is counted once more, by us.

At the increments, not by reading the registry: totals are then exact over forks and killed workers,
whatever the registry, and whether or not PROMETHEUS_MULTIPROC_DIR is set.
"""

from __future__ import annotations

import sys
from math import isfinite
from types import MethodType

from monagent.conventions import _adopted as recorded
from monagent.conventions._adopted import GONE, Step
from monagent.instrument.watch import failed
from monagent.integrations._adopted import target
from monagent.integrations._adopted_prometheus_series import (
    MERGES,
    NAME,
    TAKEN_BACK,
    hidden_labels,
    hide,
    of,
    reveal,
    series,
    shift,
    tell_states,
    withdraw,
    withdrawn,
)
from monagent.metrics.pulse import beat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODULE = "prometheus_client.metrics"
REGISTRY = "prometheus_client.registry"


@target(NAME, MODULE, "Counter._metric_init")
@target(NAME, MODULE, "Summary._metric_init")
@target(NAME, MODULE, "Histogram._metric_init")
def begun(original: Any) -> Any:
    """A series that counts is shown from zero on, as the library shows it."""

    def _metric_init(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            of(self, announced=True)
        except BaseException as error:
            failed(NAME, error)
        return result

    return _metric_init


@target(NAME, MODULE, "Gauge.__init__")
def at_zero(original: Any) -> Any:
    """A gauge begins at 0, unless the latest of several values counts, or its registry refuses."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            if self._is_observable() and MERGES.get(self._multiprocess_mode) != "last":
                of(self, announced=True).record(0.0)
        except BaseException as error:
            failed(NAME, error)
        return result

    return __init__


@target(NAME, MODULE, "Enum.__init__")
def in_first_state(original: Any) -> Any:
    """An enum is in its first state until it is told another."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            # States without an order are shown by the library, but none can be told.
            if self._is_observable() and hasattr(self._states, "index"):
                tell_states(self, self._states[0], announced=True)
        except BaseException as error:
            failed(NAME, error)
        return result

    return __init__


@target(NAME, MODULE, "Gauge.set_function")
def asked(original: Any) -> Any:
    """From then on a gauge is asked, and what it is told means nothing."""

    def set_function(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            of(self, announced=True)
            shift(self, GONE)
            self._monagent = recorded.left_out()
        except BaseException as error:
            failed(NAME, error)
        return result

    return set_function


@target(NAME, MODULE, "Counter.inc")
def counted(original: Any) -> Any:
    def inc(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            amount = float(args[0] if args else kwargs.get("amount", 1.0))
            if isfinite(amount):  # One that is not would stay in the total for good.
                of(self).record(amount)
            beat()
        except BaseException as error:
            failed(NAME, error)
        return result

    return inc


@target(NAME, MODULE, "Summary.observe")
@target(NAME, MODULE, "Histogram.observe")
def observed(original: Any) -> Any:
    def observe(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            amount = float(args[0] if args else kwargs["amount"])
            if isfinite(amount):
                of(self).record(amount)
            beat()
        except BaseException as error:
            failed(NAME, error)
        return result

    return observe


@target(NAME, MODULE, "Gauge.inc")
def raised(original: Any) -> Any:
    return _stepping(original, 1.0)


@target(NAME, MODULE, "Gauge.dec")
def lowered(original: Any) -> Any:
    return _stepping(original, -1.0)


def _stepping(original: Any, sign: float) -> Any:
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            of(self).record(Step(sign * (args[0] if args else kwargs.get("amount", 1.0))))
            beat()
        except BaseException as error:
            failed(NAME, error)
        return result

    return step


@target(NAME, MODULE, "Gauge.set")
def placed(original: Any) -> Any:
    def set_to(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            of(self).record(float(args[0] if args else kwargs["value"]))
            beat()
        except BaseException as error:
            failed(NAME, error)
        return result

    return set_to


@target(NAME, MODULE, "Info.info")
def informed(original: Any) -> Any:
    def info(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            if withdrawn(self):
                return result
            told = args[0] if args else kwargs["val"]
            found = series(self, "_info", {key: str(value) for key, value in told.items()})
            if vars(self).get("_monagent", found).record is not found.record:
                shift(self, GONE)
            found.record(1.0)
            self._monagent = found
            beat()
        except BaseException as error:
            failed(NAME, error)
        return result

    return info


@target(NAME, MODULE, "Enum.state")
def entered(original: Any) -> Any:
    def state(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            if not withdrawn(self):
                tell_states(self, args[0] if args else kwargs["state"])
            beat()
        except BaseException as error:
            failed(NAME, error)
        return result

    return state


@target(NAME, MODULE, "MetricWrapperBase.remove")
def removed(original: Any) -> Any:
    def remove(self: Any, *labelvalues: Any) -> Any:
        child = None
        try:
            children: dict[Any, Any] = vars(self).get("_metrics", {})
            child = children.get(tuple(str(value) for value in labelvalues))
        except BaseException as error:
            failed(NAME, error)
        result = original(self, *labelvalues)
        try:
            if child is not None:
                withdraw(child)
        except BaseException as error:
            failed(NAME, error)
        return result

    return remove


@target(NAME, MODULE, "MetricWrapperBase.clear", optional=True)
@target(NAME, MODULE, "MetricWrapperBase.remove_by_labels", optional=True)
def cleared(original: Any) -> Any:
    def clear(self: Any, *args: Any, **kwargs: Any) -> Any:
        before: dict[Any, Any] = {}
        try:
            before = dict(vars(self).get("_metrics", ()))
        except BaseException as error:
            failed(NAME, error)
        result = original(self, *args, **kwargs)
        try:
            for labels, child in before.items():
                if self._metrics.get(labels) is not child:
                    withdraw(child)
        except BaseException as error:
            failed(NAME, error)
        return result

    return clear


@target(NAME, REGISTRY, "CollectorRegistry.register")
def registered(original: Any) -> Any:
    def register(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            _in_registries(args[0] if args else kwargs["collector"], 1)
        except BaseException as error:
            failed(NAME, error)
        return result

    return register


@target(NAME, REGISTRY, "CollectorRegistry.unregister")
def unregistered(original: Any) -> Any:
    def unregister(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            _in_registries(args[0] if args else kwargs["collector"], -1)
        except BaseException as error:
            failed(NAME, error)
        return result

    return unregister


def _in_registries(collector: Any, more: int) -> None:
    """A gauge, an info or an enum that leaves the last registry it is in is gone; in the next it
    has what it had or was told since.  One that never was in any is shown as the others are."""
    metrics = sys.modules.get(MODULE)
    if metrics is None or not isinstance(collector, metrics.MetricWrapperBase):
        return
    if collector._type not in TAKEN_BACK:
        return
    before = vars(collector).get("_monagent_registries")
    after = max((before or 0) + more, 0)
    if after == before or (after and before != 0):
        collector._monagent_registries = after
        return
    if after:
        vars(collector).pop("labels", None)
    else:  # Of this one alone: all others' is as fast as ever.
        collector.labels = MethodType(hidden_labels, collector)
    children = list(vars(collector).get("_metrics", {}).values())
    for one in [collector, *children]:
        (reveal if after else hide)(one)
