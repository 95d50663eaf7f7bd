"""Scheduled tasks: runs that were missed are counted, those that were made are queued once."""

from __future__ import annotations

import itertools
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import BaseSchedule, crontab, schedstate, schedule

from monagent.integrations._celery_beat import MOST, missed
from tests.celery.running import adopted, environment, running
from tests.recorded import Counted
from tests.runtime.programs import program

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 29, 12, 0, 30, tzinfo=timezone.utc)


def every(seconds: float) -> schedule:
    """An interval whose clock stands at NOW."""
    return schedule(
        timedelta(seconds=seconds), nowfun=lambda: NOW, app=Celery(set_as_current=False)
    )


@pytest.mark.parametrize(
    ("last_run", "runs"),
    [(9.0, 0), (10.0, 0), (19.9, 0), (20.0, 1), (35.0, 2), (3600.0, 359)],
)
def test_an_interval_misses_all_runs_but_the_one_made_now(last_run: float, runs: int) -> None:
    """Every ten seconds, last run so many seconds ago."""
    assert missed(every(10), NOW - timedelta(seconds=last_run), lambda: NOW) == runs


@pytest.mark.parametrize(("minutes", "runs"), [(1, 0), (2, 1), (15, 14)])
def test_a_crontab_misses_its_own_times(minutes: int, runs: int) -> None:
    """Every minute, last run so many minutes ago."""
    each = crontab(nowfun=lambda: NOW, app=Celery(set_as_current=False))

    assert missed(each, NOW - timedelta(minutes=minutes), lambda: NOW) == runs


def test_a_clock_that_goes_on_meanwhile_misses_as_many() -> None:
    """Each look at a clock finds it a little later: the schedule's, then ours."""
    looks = (NOW + timedelta(microseconds=number) for number in itertools.count())
    each = crontab(hour="3", minute="0", nowfun=looks.__next__, app=Celery(set_as_current=False))

    assert missed(each, NOW - timedelta(days=5), looks.__next__) == 4


def test_nothing_is_missed_before_the_start() -> None:
    """An entry that was to begin half a minute ago, with a last run that never was."""
    start = NOW - timedelta(seconds=30)

    assert missed(every(10), NOW - timedelta(days=30 * 365), lambda: NOW, start) == 2
    assert missed(every(10), NOW - timedelta(seconds=15), lambda: NOW, start) == 0


@pytest.mark.parametrize(("changed", "runs"), [(0, 0), (5, 0), (61, 0), (125, 1), (660, 10)])
def test_an_edited_schedule_misses_nothing_before_it_was_edited(changed: int, runs: int) -> None:
    """Once a day until so many seconds ago, each minute since."""
    moment = NOW - timedelta(seconds=changed)

    found = missed(
        every(60), NOW - timedelta(hours=12), lambda: NOW, None, (None, moment - DAY, moment)
    )

    assert found == runs


def test_what_changes_while_nothing_is_due_leaves_the_rhythm() -> None:
    """As beat, which notes its last run in the entry."""
    last = NOW - timedelta(seconds=210)
    moments = (last + timedelta(seconds=50), datetime(2026, 3, 29, 12, 0, 30))  # noqa: DTZ001

    assert missed(every(60), last, lambda: NOW, None, moments) == 2


EDITED = """
    from datetime import timedelta
    from types import SimpleNamespace
    from celery import Celery
    from celery.beat import ScheduleEntry, Scheduler
    app = Celery(broker="memory://")
    scheduler = Scheduler(app)
    last = app.now() - timedelta(hours=12)

    def entry(name, seconds, **model):
        made = ScheduleEntry(name, "some", last, schedule=timedelta(seconds=seconds), app=app)
        if model:
            made.model = SimpleNamespace(**model)
        return made

    def planned(*entries):
        scheduler.schedule.clear()
        scheduler.schedule.update({each.name: each for each in entries})
        scheduler.populate_heap()

    def queued(entry):
        scheduler.apply_async(entry, advance=False)
"""


@pytest.mark.parametrize(
    ("steps", "runs"),
    [
        ("planned(entry('each', 3600)); queued(entry('each', 3600))", {11}),
        ("queued(entry('each', 3600)); queued(entry('each', 3600))", {11}),
        (
            "planned(entry('each', 86400)); planned(entry('each', 60)); queued(entry('each', 60))",
            {0},
        ),
        ("planned(entry('each', 86400)); queued(entry('each', 60))", {0}),
        ("planned(entry('each', 86400)); planned(); queued(entry('each', 60))", {0}),
        ("queued(entry('each', 60, date_changed=app.now()))", {0}),
        ("queued(entry('each', 60, date_changed=last))", {718, 719}),
    ],
    ids=["down", "twice", "edited", "replaced", "left out", "edited before", "written"],
)
def test_only_what_a_schedule_has_missed_itself_is_counted(
    steps: str, runs: set[int], tmp_path: Path
) -> None:
    """An entry that last ran 12 hours ago, planned, edited, left out or sent."""
    ended = program(f"{EDITED}\n    {steps}\n", tmp_path)

    assert (ended.code, ended.errors) == (0, b"")
    assert ended.counted.total("job.schedule.missed", job_name="each") in runs


def by_name(found: Counted) -> dict[str, float]:
    """Missed runs by the entry, those that are 0 too."""
    return {
        str(dict(labels)["job_name"]): value
        for (metric, labels), value in found.series.items()
        if metric == "job.schedule.missed"
    }


def test_users_and_programs_may_make_as_many_schedules_as_they_like(tmp_path: Path) -> None:
    """Ids are left out of names, and the first 200 are told apart."""
    steps = "planned(*(entry(f'remind {n}', 3600) for n in [*range(10_000, 10_005), *range(300)]))"
    ended = program(f"{EDITED}\n    {steps}\n", tmp_path)

    names = by_name(ended.counted)
    assert (ended.code, ended.errors) == (0, b"")
    assert {"remind {id}", "_OTHER"} <= names.keys()
    assert len(names) == 201


def test_what_runs_once_is_named_when_its_run_is_missed(tmp_path: Path) -> None:
    """Not for each reminder that somebody has set."""
    steps = """
    late, early, lost = (entry(name, 3600, one_off=True) for name in ("late", "early", "lost"))
    early.last_run_at = app.now()
    planned(late, early, lost)
    for each in late, early:
        queued(each)
    scheduler.send_task = None
    lost.last_run_at = app.now()
    try:
        queued(lost)
    except Exception:
        pass
    """
    ended = program(EDITED + steps, tmp_path)

    assert (ended.code, ended.errors) == (0, b"")
    assert by_name(ended.counted) == {"late": 11, "lost": 1}


def test_a_long_absence_is_counted_up_to_a_limit() -> None:
    """A week of a schedule of every second takes no week to count."""
    assert missed(every(1), NOW - timedelta(days=7), lambda: NOW) == MOST - 1


class Whenever(BaseSchedule):  # type: ignore[misc] # Celery has no types
    """A schedule of an application: it tells no more than what beat asks."""

    def is_due(self, _: datetime) -> schedstate:
        return schedstate(is_due=True, next=60.0)


def test_a_schedule_that_tells_only_whether_it_is_due_misses_nothing() -> None:
    """Celery asks for no more, and neither may we."""
    assert missed(Whenever(), NOW - timedelta(days=1), lambda: NOW) == 0


def test_planned_runs_are_read_from_the_plan_alone(tmp_path: Path) -> None:
    """A scheduler that asks a database whenever its schedule is read is not made to ask more."""
    text = """
        from datetime import timedelta
        from celery import Celery
        from celery.beat import Scheduler
        class Asking(Scheduler):
            asked = 0
            @property
            def schedule(self):
                Asking.asked += 1
                return super().schedule
        app = Celery(broker="memory://")
        app.conf.beat_schedule = {"each": {"task": "some", "schedule": timedelta(hours=1)}}
        scheduler = Asking(app)
        Asking.asked = 0
        scheduler.populate_heap()
        print(Asking.asked)
    """
    ended = program(text, tmp_path)

    assert (ended.code, ended.output, ended.errors) == (0, b"1\n", b"")
    assert ended.counted.total("job.schedule.missed", job_name="each") == 0


def test_beat_queues_each_run_once_and_counts_those_of_its_absence(
    redis_url: str, tmp_path: Path
) -> None:
    """None is missed while beat runs; what was due before it came back is.

    A beat that is kept from running for two intervals would miss a run: they are longer at first.
    """
    beat = adopted("-m", "celery", "-A", "jobs_app", "beat", "-s", str(tmp_path / "schedule"))
    environ = environment(tmp_path / "numbers", redis_url, redis_url, EVERY="3")
    with running(beat, environ, tmp_path) as run:
        made = run.until(lambda now: now.total("job.enqueued") >= 2)
    time.sleep(3)  # Its absence.
    environ = environment(tmp_path / "others", redis_url, redis_url)
    with running(beat, environ, tmp_path) as run:
        later = run.until(lambda now: now.total("job.enqueued") >= 1)

    key = "job.schedule.missed", frozenset({("job_name", "every-second")})
    assert made.by("job.enqueued", "job_type") == {"jobs_app.add": made.total("job.enqueued")}
    assert made.series[key] == 0
    assert made.total("job.last_success.timestamp", job_type="jobs_app.add") == 0
    assert 2 <= later.series[key] < 60
