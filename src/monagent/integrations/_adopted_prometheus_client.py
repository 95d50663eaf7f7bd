"""prometheus_client: what the application counts by it is counted once more, by us.

At the increments, not by reading the registry: totals are then exact over forks and killed workers,
whatever the registry, and whether or not PROMETHEUS_MULTIPROC_DIR is set.
"""

from __future__ import annotations

from math import isfinite

from monagent.conventions import _adopted as recorded
from monagent.conventions._adopted import GONE, Series, Step
from monagent.instrument.watch import failed
from monagent.integrations._adopted import target, version
from monagent.metrics import recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAME = "prometheus_client"
MODULE = "prometheus_client.metrics"

MERGES = {
    "min": "min",
    "livemin": "min",
    "max": "max",
    "livemax": "max",
    "mostrecent": "last",
    "livemostrecent": "last",
}
"""What several processes' values make, by a gauge's `multiprocess_mode`; all others add up."""


@target(NAME, MODULE, "Counter._metric_init")
@target(NAME, MODULE, "Summary._metric_init")
@target(NAME, MODULE, "Histogram._metric_init")
def begun(original: Any) -> Any:
    """A series that counts is shown from zero on, as the library shows it."""

    def _metric_init(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            of(self)
        except BaseException as error:
            failed(NAME, error)
        return result

    return _metric_init


@target(NAME, MODULE, "Gauge.__init__")
def at_zero(original: Any) -> Any:
    """A gauge is 0 from the beginning, unless the latest of several values is what counts; one that
    its registry refuses never begins."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            if self._is_observable() and MERGES.get(self._multiprocess_mode) != "last":
                of(self).record(0.0)
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
            if self._is_observable():
                tell_states(self, self._states[0])
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
            of(self).record(GONE)
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
            before = vars(self).pop("_monagent", None)
            if before is not None:
                before.record(GONE)
            told = args[0] if args else kwargs["val"]
            found = series(self, "_info", {key: str(value) for key, value in told.items()})
            found.record(1.0)
            self._monagent = found
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
        except BaseException as error:
            failed(NAME, error)
        return result

    return state


def tell_states(enum: Any, now: str) -> None:
    """Each state is a series, 1 where it is the one."""
    for one in enum._states:
        series(enum, "", {enum._name: one}).record(float(one == now))


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


def withdraw(child: Any) -> None:
    """A child is gone, also for whoever holds it still; what counts goes on, for a total must not
    fall."""
    if child._type not in ("gauge", "info", "stateset"):
        return
    if child._type == "stateset":
        for one in child._states:
            series(child, "", {child._name: one}).record(GONE)
    else:
        kept = vars(child).get("_monagent")
        if kept is not None:
            kept.record(GONE)
    child._monagent = recorded.left_out()


def withdrawn(child: Any) -> bool:
    """Whether what this child is told means nothing."""
    kept = vars(child).get("_monagent")
    return kept is not None and kept.record is recorded.leave_out


def of(child: Any) -> Series:
    """The series of a child, which keeps it."""
    try:
        kept: Series = child._monagent
        if kept.recording is recording():
            return kept
    except AttributeError:
        pass
    found = series(child)
    if found.kept:
        child._monagent = found
    return found


def series(child: Any, suffix: str = "", more: dict[str, str] = {}) -> Series:  # noqa: B006 - read
    """A series of a child: by its labels, and by further ones where it has several."""
    kind, bounds, merge = _SHAPES[child._type](child)
    labels = dict(zip(child._labelnames, child._labelvalues, strict=False))
    library = (NAME, version(NAME))
    name = child._name + suffix
    return recorded.series(
        library, kind, name, child._documentation, {**labels, **more}, bounds, merge
    )


def _gauge(child: Any) -> tuple[str, tuple[float, ...], str]:
    return "gauge", (), MERGES.get(child._multiprocess_mode, "sum")


def _histogram(child: Any) -> tuple[str, tuple[float, ...], str]:
    return "histogram", tuple(sorted({float(b) for b in child._upper_bounds if isfinite(b)})), "sum"


_SHAPES: dict[str, Callable[[Any], tuple[str, tuple[float, ...], str]]] = {
    "counter": lambda _: ("counter", (), "sum"),
    "gauge": _gauge,
    # What has no edges counts and sums up alone.
    "summary": lambda _: ("histogram", (), "sum"),
    "histogram": _histogram,
    "info": lambda _: ("gauge", (), "max"),
    "stateset": lambda _: ("gauge", (), "max"),
}
"""Kind, edges and merge rule by the library's type."""
