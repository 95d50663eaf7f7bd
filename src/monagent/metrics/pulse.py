"""A look at the surroundings every two seconds of recorded work, without a thread: is there an
exporter, is our file still there?

What records a call has its end time at hand and does ``if now > due[0]: pulse(now)``, or ``later``
in place of it; what has none calls ``beat``.  What comes round by itself in a program that records
nothing, as the watch of an event loop, calls ``look``.
"""

from __future__ import annotations

import sys

from monagent import guard
from monagent.clock import perf_counter
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0

due = [0.0]
checks: list[Callable[[], None]] = []
idle_checks: list[Callable[[], None]] = []
"""What is looked after while nothing is recorded, too."""

_idle_due = [0.0]
_first: tuple[int, float] = 0, 0.0
"""The process that asked `later`, and when it did so first."""


def pulse(now: float, ends: Callable[[], bool] = sys.is_finalizing) -> None:
    """Runs the checks; `now` is of the clock time.perf_counter, in seconds."""
    due[0] = now + SECONDS
    _run(checks, ends)


def beat() -> None:
    """Runs the checks if that is due."""
    now = perf_counter()
    if now > due[0]:
        pulse(now)


def later(now: float, ends: Callable[[], bool] = sys.is_finalizing) -> None:
    """As `pulse`, but for the first seconds of a process: what is recorded before a program has
    patched itself, or forked, must not begin the exporter's thread in it."""
    global _first
    pid, since = _first
    if pid != os.getpid():
        _first = os.getpid(), now
    elif now - since > SECONDS:
        pulse(now, ends)


def look(now: float, ends: Callable[[], bool] = sys.is_finalizing) -> None:
    """Runs the checks for idle programs, unless somebody records; `now` as above."""
    if now > due[0] and now > _idle_due[0]:
        _idle_due[0] = now + SECONDS
        _run(idle_checks, ends)


def _run(checks: list[Callable[[], None]], ends: Callable[[], bool]) -> None:
    # A destructor may be the last to work, when nothing can be imported any more.
    if guard.off("pulse") or ends():
        return
    for check in checks:
        try:
            check()
        except BaseException as error:
            guard.failed("pulse", error)
