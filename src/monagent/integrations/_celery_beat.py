"""How many runs of a scheduled task were missed: beat was down, or busy, while they were due."""

from __future__ import annotations

from monagent import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

MOST = 1_000
"""Runs counted at most: a schedule of every second after a week of absence."""


def missed(
    schedule: Any, last_run: datetime, now: Callable[[], datetime], start: datetime | None = None
) -> int:
    """Runs that were due between the last one and now, beside the one that is made now.

    A schedule of the application's own may know no more than whether it is due: it tells of none.

    Args:
        schedule: a `celery.schedules` object, whose `remaining_estimate(since)` is the time from
            now to the first run after `since`, negative when that has passed.
        start: nothing is due before; an entry of django-celery-beat that has one and never ran
            tells of a last run thirty years ago.
    """
    due, since = 0, last_run
    try:
        if start is not None and since < start:
            since = start
        while due < MOST:
            remaining = schedule.remaining_estimate(since)
            # Read behind the schedule's own: a moment before a run, that one would be found again.
            following = now() + remaining
            if remaining.total_seconds() > 0 or following <= since:
                break
            due += 1
            since = following
    except Exception as error:
        if guard.not_ours(error):
            raise
    return max(0, due - 1)
