"""Calls that last until their answer is read, and the end of the program, which may come before.

A daemon thread that still reads then is stopped for good, and what it holds is never destroyed. So
the last that such a program does is to look for those calls among all objects, if any is under way.
"""

from __future__ import annotations

import atexit
import gc

from monagent import guard
from monagent.metrics.fused import cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.metrics import UpDownCounter

_kinds: list[tuple[type, UpDownCounter]] = []


def watch(kind: type, active: UpDownCounter) -> None:
    """Calls of this class, counted in `active` until then, end with the program at the latest."""
    _kinds.append((kind, active))


def end() -> None:
    """The program ends, and with it every such call, as with its last reference."""
    try:
        kinds = tuple(kind for kind, active in _kinds if under_way(active))
        if not kinds:
            return
        for found in gc.get_objects():
            if issubclass(type(found), kinds):  # The application's own `__class__` is not asked.
                found.__del__()
    except BaseException as error:
        guard.failed("agent", error)


def under_way(active: UpDownCounter) -> bool:
    """Whether this process has calls of which this one knows."""
    places = map(cell, active.bound())
    return any(mem[0][at] > 0.0 for mem, at in places)


atexit.register(end)
