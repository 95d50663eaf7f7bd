"""How many runs of a scheduled task were missed: beat was down, or busy, while they were due.

What was due is told from the schedule of today, so nothing counts that lies before the moment at
which an entry is known to have got that schedule: beat was seen to plan it, or was told when.
"""

from __future__ import annotations

from monagent import guard
from monagent.conventions import jobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

MOST = 1_000
"""Runs counted at most: a schedule of every second after a week of absence."""

_MOST_PLANNED = 10_000


class Plan:
    """The schedules that one of Celery's schedulers has been seen to plan by.

    Entries that are gone stay: django-celery-beat leaves out those that are not due for hours.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Any, datetime | None]] = {}

    def since(self, entry: Any) -> datetime | None:
        """The moment before which it has missed nothing that is not counted; None: it is new."""
        name, schedule = str(entry.name), entry.schedule
        try:
            known, since = self._entries[name]
        except KeyError:
            since = None
        else:
            if not _same(known, schedule):
                since = entry.default_now()
        self._keep(name, schedule, since)
        return since

    def queued(self, entry: Any) -> None:
        """What it had missed so far is counted."""
        self._keep(str(entry.name), entry.schedule, entry.default_now())

    def _keep(self, name: str, schedule: Any, since: datetime | None) -> None:
        entries = self._entries
        entries.pop(name, None)
        if len(entries) >= _MOST_PLANNED:
            del entries[next(iter(entries))]  # the one that was not seen for longest
        entries[name] = schedule, since


def plan_of(scheduler: Any) -> Plan:
    """What is known of a scheduler."""
    try:
        found: Plan = scheduler._monagent_plan
    except AttributeError:
        found = scheduler._monagent_plan = Plan()
    return found


def planned(scheduler: Any) -> None:
    """It has read its entries."""
    plan = plan_of(scheduler)
    # Not `schedule`, which schedulers of others read from a database each time.
    for entry in [event.entry for event in scheduler._heap]:
        if not runs_once(entry):
            plan.since(entry)
            jobs.missed(str(entry.name), 0)
        jobs.never_yet(str(entry.task))


def queued(scheduler: Any, entry: Any) -> None:
    """A run of this entry is queued now."""
    runs = late(scheduler, entry)
    if runs or not runs_once(entry):
        jobs.missed(str(entry.name), runs)


def runs_once(entry: Any) -> bool:
    """Whether it is one of many that are made for a single run, by django-celery-beat."""
    return bool(getattr(getattr(entry, "model", None), "one_off", False))


def late(scheduler: Any, entry: Any) -> int:
    """Runs that an entry has missed, of which its scheduler makes one more now."""
    plan = plan_of(scheduler)
    model = getattr(entry, "model", None)  # django-celery-beat's
    told = plan.since(entry), getattr(model, "date_changed", None)
    start = getattr(model, "start_time", None)
    found = missed(entry.schedule, entry.last_run_at, entry.default_now, start, told)
    plan.queued(entry)
    return found


def missed(
    schedule: Any,
    last_run: datetime,
    now: Callable[[], datetime],
    start: datetime | None = None,
    changed: tuple[datetime | None, ...] = (),
) -> int:
    """Runs that were due between the last one and now, beside the one that is made now.

    A schedule of the application's own may know no more than whether it is due: it tells of none.

    Args:
        schedule: a `celery.schedules` object, whose `remaining_estimate(since)` is the time from
            now to the first run after `since`, negative when that has passed.
        start: nothing is due before; an entry of django-celery-beat that has one and never ran
            tells of a last run thirty years ago.
        changed: the schedule may have been another one until then. What is due behind it keeps the
            rhythm of the last run, since beat changes an entry itself to note that one.
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
            before = [moment for moment in changed if moment and _not_after(following, moment)]
            if before:
                since = max(before)
            else:
                due += 1
                since = following
    except Exception as error:
        if guard.not_ours(error):
            raise
    return max(0, due - 1)


def _not_after(run: datetime, moment: datetime) -> bool:
    """Whether a run was due by then; a moment without a time zone tells nothing of one that has."""
    return (run.tzinfo is None) == (moment.tzinfo is None) and run <= moment


def _same(known: Any, schedule: Any) -> bool:
    try:
        # Of one class, since those of others may compare what only theirs have.
        return type(known) is type(schedule) and bool(known == schedule)
    except Exception as error:
        if guard.not_ours(error):
            raise
        return False
