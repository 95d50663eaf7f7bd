"""Metrics of the application's own, which it keeps by a library and monagent is asked to serve too:
the one family whose names, labels and buckets are not ours.
"""

from __future__ import annotations

from monagent import guard
from monagent.metrics import cache, recording
from monagent.metrics.family import Spec
from monagent.metrics.recorders import GONE, HIDDEN, Step, changer
from monagent.store.attributes import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monagent.metrics import Recording
    from monagent.metrics.family import Family
    from monagent.metrics.recorders import Recorder
    from monagent.store.asleep import View

__all__ = ["GONE", "HIDDEN", "Series", "Step", "is_ours", "leave_out", "ours", "series"]

ours: list[Callable[[str, str, str, str], bool]] = []
"""Says of a metric's name, kind, unit and scope whether the endpoint has one of ours in its place;
the agent puts it here."""

_families: dict[object, Family] = cache()
_asked: dict[tuple[str, str, str, str], bool] = {}


class Series:
    """One series, for whoever keeps it: how it is recorded, and in which recording.

    Attributes:
        record: takes a value; of a gauge a `Step`, `GONE` and `HIDDEN`, too.
        kept: whether it may be kept, for as long as `recording` is the one.
    """

    __slots__ = ("kept", "record", "recording")

    def __init__(self, recording: Recording, record: Recorder, kept: bool) -> None:
        self.recording = recording
        self.record = record
        self.kept = kept


def is_ours(name: str, kind: str, unit: str = "", scope: str = "") -> bool:
    """Whether this name is one of monagent's own metrics, which count each call once; that such a
    metric is left out is told once."""
    asked = (name, kind, unit, scope)
    found = _asked.get(asked)
    if found is None:
        found = _asked[asked] = any(one(*asked) for one in ours)
        if found:
            guard.say(f"{name}: not adopted, since monagent has a metric of this name", "info")
    return found


def series(
    library: tuple[str, str],
    kind: str,
    name: str,
    help: str,
    labels: Mapping[str, str],
    bounds: tuple[float, ...] = (),
    merge: str = "sum",
    announced: bool = False,
) -> Series:
    """The series with these labels of the metric that the application made with `library` (its
    name and version); one that is ours records nothing. `announced`: it is only to be shown."""
    current = recording()
    if is_ours(name, kind, scope=library[0]):
        return left_out()
    described = (library, kind, name, help, bounds, merge)
    family = _families.get(described)
    if family is None:
        edges = current.bounds(name, bounds) if bounds else bounds
        spec = Spec(name, kind, "", help, edges, merge, scope=(*library, ""))
        made = current.family(spec, maker=_changer if kind == "gauge" else None)
        family = _families.setdefault(described, made)
    key = identity(labels)
    found = family.recorder(key, labels, announced)
    return Series(current, found, family.series.get(key) is found)


def left_out() -> Series:
    """A series of which nothing is recorded."""
    return Series(recording(), leave_out, True)


def _changer(mem: list[View], index: int, _attributes: Mapping[str, object]) -> Recorder:
    return changer(mem, index)


def leave_out(value: float) -> None:
    """Records nothing."""
