"""prometheus_client: the series that are ours for a metric of the application, or for one child."""

from __future__ import annotations

import os
from _thread import get_ident
from math import isfinite

from monagent.conventions import _adopted as recorded
from monagent.conventions._adopted import GONE, HIDDEN, Series, Step
from monagent.instrument.watch import failed
from monagent.integrations._adopted import version
from monagent.metrics import recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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

TAKEN_BACK = ("gauge", "info", "stateset")
"""The library's types whose series may go; what counts goes on, for a total must not fall."""

_making: set[tuple[int, str]] = set()
"""Thread and name of children that are made beneath a hidden parent now."""


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
    found = recorded.series(
        library, kind, name, child._documentation, {**labels, **more}, bounds, merge, announced
    )
    return Hidden(found, 0.0) if hidden(child) else found


def tell_states(enum: Any, now: str, announced: bool = False) -> None:
    """Each state is a series, 1 where it is the one."""
    if hidden(enum):
        enum._monagent_state = (os.getpid(), now)
        return
    for one in enum._states:
        series(enum, "", {enum._name: one}, announced).record(float(one == now))


def withdraw(child: Any) -> None:
    """A child is gone, also for whoever holds it still; what counts goes on."""
    if child._type in TAKEN_BACK:
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


class Hidden(Series):
    """Keeps what a series is told while it is not shown, and leaves its cells to whoever has taken
    its place.

    Attributes:
        shown: the series.
        told: what it is to be told when it is shown again.
        process: the one in which that was told; a fork has told nothing yet.
    """

    __slots__ = ("process", "shown", "told")

    def __init__(self, shown: Series, told: float) -> None:
        super().__init__(shown.recording, self._keep, shown.kept)
        self.shown = shown
        self.told = told
        self.process = os.getpid()

    def _keep(self, value: float) -> None:
        if self.process != os.getpid():
            self.told, self.process = Step(0.0), os.getpid()
        if not isinstance(value, Step):
            self.told = value
        elif value is not GONE:
            self.told = type(self.told)(self.told + value)

    def show(self) -> Series:
        if self.kept:  # Not an overflow series, which is of others too.
            self.shown.record(self.told if self.process == os.getpid() else Step(0.0))
        return self.shown


def hidden(child: Any) -> bool:
    """Whether this gauge, info or enum, or its parent, has left the registries that it was in."""
    return vars(child).get("_monagent_registries") == 0 or (
        bool(_making) and (get_ident(), child._name) in _making
    )


def hide(child: Any) -> None:
    """Shown no more, whatever it is told."""
    if child._is_observable():
        shift(child, HIDDEN)
    child._monagent_registries = 0
    if "_monagent" in vars(child) and not withdrawn(child):
        child._monagent = Hidden(child._monagent, Step(0.0))


def reveal(child: Any) -> None:
    """Shown again, as what it was before or was told since."""
    child._monagent_registries = 1
    kept = vars(child).get("_monagent")
    process, state = vars(child).pop("_monagent_state", (0, ""))
    if isinstance(kept, Hidden):
        child._monagent = kept.show()
    elif process == os.getpid() and not withdrawn(child):
        tell_states(child, state)
    elif child._is_observable():
        shift(child, Step(0.0))


def hidden_labels(self: Any, *labelvalues: Any, **labelkwargs: Any) -> Any:
    """`labels` of a hidden parent."""
    making = (get_ident(), self._name)
    _making.add(making)
    try:
        child = type(self).labels(self, *labelvalues, **labelkwargs)
    finally:
        _making.discard(making)
    try:
        child._monagent_registries = 0
    except BaseException as error:
        failed(NAME, error)
    return child


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
