"""prometheus_client: the series that are ours for a metric of the application, or for one child."""

from __future__ import annotations

from math import isfinite

from monagent.conventions import _adopted as recorded
from monagent.conventions._adopted import GONE, Series
from monagent.integrations._adopted import version
from monagent.metrics import recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.conventions._adopted import Step

NAME = "prometheus_client"

MERGES = {
    "min": "min",
    "livemin": "min",
    "max": "max",
    "livemax": "max",
    "mostrecent": "last",
    "livemostrecent": "last",
}
"""What several processes' values make, by a gauge's `multiprocess_mode`; all others add up."""


def of(child: Any, announced: bool = False) -> Series:
    """The series of a child, which keeps it; `announced`: it has not been told anything yet."""
    try:
        kept: Series = child._monagent
        if kept.recording is recording():
            return kept
    except AttributeError:
        pass
    found = series(child, announced=announced)
    if found.kept:
        child._monagent = found
    return found


def series(
    child: Any,
    suffix: str = "",
    more: dict[str, str] = {},  # noqa: B006 - read
    announced: bool = False,
) -> Series:
    """A series of a child: by its labels, and by further ones where it has several."""
    kind, bounds, merge = _SHAPES[child._type](child)
    labels = dict(zip(child._labelnames, child._labelvalues, strict=False))
    library = (NAME, version(NAME))
    name = child._name + suffix
    return recorded.series(
        library, kind, name, child._documentation, {**labels, **more}, bounds, merge, announced
    )


def tell_states(enum: Any, now: str, announced: bool = False) -> None:
    """Each state is a series, 1 where it is the one."""
    for one in enum._states:
        series(enum, "", {enum._name: one}, announced).record(float(one == now))


def withdraw(child: Any) -> None:
    """A child is gone, also for whoever holds it still; what counts goes on, for a total must not
    fall."""
    if child._type in ("gauge", "info", "stateset"):
        shift(child, GONE)
        child._monagent = recorded.left_out()


def withdrawn(child: Any) -> bool:
    """Whether what this child is told means nothing."""
    kept = vars(child).get("_monagent")
    return kept is not None and kept.record is recorded.leave_out


def shift(child: Any, step: Step) -> None:
    """Has what is shown of a gauge, an info or an enum take this step, all but an overflow series,
    which is of others too."""
    shown: list[Series | None] = []
    if child._type in ("gauge", "info"):
        shown = [vars(child).get("_monagent")]
    elif child._type == "stateset" and not withdrawn(child):
        shown = [series(child, "", {child._name: one}, True) for one in child._states]
    for one in shown:
        if one is not None and one.kept:
            one.record(step)


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
