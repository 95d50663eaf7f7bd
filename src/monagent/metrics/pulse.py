"""A look at the surroundings every two seconds of recorded work, without a thread: is there an
exporter, is our file still there?

What records a call has its end time at hand and does ``if now > due[0]: pulse(now)``.
"""

from __future__ import annotations

import sys

from monagent import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0

due = [0.0]
checks: list[Callable[[], None]] = []


def pulse(now: float, ends: Callable[[], bool] = sys.is_finalizing) -> None:
    """Runs the checks; `now` is of the clock time.perf_counter, in seconds."""
    due[0] = now + SECONDS
    if ends():  # A destructor was the last to work, and nothing can be imported any more.
        return
    for check in checks:
        try:
            check()
        except BaseException as error:
            guard.failed("pulse", error)
