"""Background jobs: what was queued, how each attempt ended, how long it waited and ran.

One `Lane` is one type of job on one queue; `_sent` tells how long a message was under way. Every
attempt ends in exactly one status. A job without a queue was run in place.
"""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions._names import Names, without_ids
from monagent.metrics import Counter, Gauge, Histogram, UpDownCounter, cache
from monagent.metrics.fused import attempt, brief, counter, places
from monagent.metrics.pulse import due, pulse
from monagent.metrics.recorders import GONE
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Recorder = Callable[[float], None]

SUCCESS = "success"
FAILED = "failed"
RETRIED = "retried"  # failed, and queued once more
IGNORED = "ignored"  # told its worker to forget about it
REJECTED = "rejected"  # its message was refused, or went back to the queue
REVOKED = "revoked"  # called off or expired
TIMED_OUT = "timed_out"  # ended by a soft or a hard limit

UNKNOWN_TASK = "unknown_task"
INVALID_TASK = "invalid_task"  # called in a wrong way
UNKNOWN_MESSAGE = "unknown_message"
DECODE_ERROR = "decode_error"

REASONS = (UNKNOWN_TASK, INVALID_TASK, UNKNOWN_MESSAGE, DECODE_ERROR)
"""Why no job could be made of a message."""

STATUSES = (SUCCESS, FAILED, RETRIED, IGNORED, REJECTED, REVOKED, TIMED_OUT)

OTHER = "_OTHER"
"""Type of a job that nobody knows, name of a queue that cannot be told."""

EDGES = (0.1, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds of work."""

WAITS = (0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds of waiting."""

ENQUEUED = Counter(
    "job.enqueued",
    unit="{job}",
    help="Jobs put into a queue, each retry included.",
    labels=("queue", "job_type"),
)
EXECUTIONS = Counter(
    "job.execution",
    unit="{job}",
    help="Attempts to run a job, by how they ended.",
    labels=("queue", "job_type", "status"),
)
DURATION = Histogram(
    "job.execution.duration",
    unit="s",
    help="Time that attempts to run a job took, of those that began.",
    labels=("queue", "job_type", "status"),
    buckets=EDGES,
)
WAIT = Histogram(
    "job.wait.duration",
    unit="s",
    help="Time a job waited for a worker; a wanted delay (ETA, countdown, backoff) is left out.",
    labels=("queue", "job_type"),
    buckets=WAITS,
)
ACTIVE = UpDownCounter(
    "job.active",
    unit="{job}",
    help="Jobs being run now.",
    labels=("queue", "job_type"),
)
QUEUE_SIZE = Gauge(
    "job.queue.size",
    unit="{job}",
    help="Jobs in the broker's queue that no worker has fetched.",
    labels=("queue", "state"),
    merge="last",  # Every worker reads the same queue, but none while it runs a task by itself.
)
OLDEST = Gauge(
    "job.queue.oldest.age",
    unit="s",
    help="Age of the oldest job in the broker's queue that no worker has fetched; "
    "the most it can be where the broker shows no job (RabbitMQ).",
    labels=("queue",),
    merge="least",  # As above; where it cannot be read, each worker knows an upper limit.
)
LAST_SUCCESS = Gauge(
    "job.last_success.timestamp",
    unit="s",
    help="Unix time of a job's last success; 0: none since the start.",
    labels=("job_type",),
    merge="max",
)
MISSED = Counter(
    "job.schedule.missed",
    unit="{run}",
    help="Runs of a scheduled job that were due and were not queued.",
    labels=("job_name",),
)
WORKERS = UpDownCounter(
    "worker.active",
    unit="{worker}",
    help="Jobs that the running workers can do at a time.",
)
BUSY = UpDownCounter(
    "worker.busy",
    unit="{worker}",
    help="Jobs that the running workers are doing; over worker.active it is the busy ratio.",
)
ERRORS = Counter(
    "worker.errors",
    unit="{error}",
    help="Messages that no job could be made of.",
    labels=("error.type",),
)

WAITING = "waiting"

LANES: dict[Any, Lane] = cache()
"""By queue and type, and by whatever a library's messages tell at once: see `keep`."""

QUEUED: dict[Any, tuple[Recorder, object]] = cache()
"""What counts a job put into a queue, by queue and type, or by objects of a library: with what must
live as long as the key."""

_names = Names(200)
_workers: dict[int, int] = cache()
_known: dict[str, bool] = cache()
_MOST = 5_000


PULSE = due, pulse
"""What the part in C is given to end an attempt with."""


class _Fields:
    __slots__ = ("_active", "_busy", "_ends", "_mem", "_waited", "job_type", "queue")


if TYPE_CHECKING:
    Fields = _Fields
else:
    Fields = part.Lane if part else _Fields


class Lane(Fields):
    """The numbers of one type of job on one queue."""

    __slots__ = ()

    def __init__(self, queue: str | None, job_type: str) -> None:
        self.queue = queue
        self.job_type = job_type
        active, busy = ACTIVE.bind(queue, job_type), BUSY.bind()
        self._mem, ((self._active, _), (self._busy, _)), _ = places(active, busy)
        self._waited: Recorder | None = None
        self._ends: dict[str, Recorder] = {}

    def begin(self, waited: float | None = None) -> None:
        """An attempt begins, after so many seconds in the queue if that is known."""
        view = self._mem[0]
        view[self._active] += 1.0
        view[self._busy] += 1.0
        if waited is not None:
            (self._waited or self._waiting())(waited)

    def end(self, status: str, seconds: float) -> None:
        """An attempt that had begun has ended."""
        (self._ends.get(status) or self._ending(status))(seconds)
        now = perf_counter()
        if now > due[0]:
            pulse(now)

    def _waiting(self) -> Recorder:
        self._waited = brief(WAIT.bind(self.queue, self.job_type))
        return self._waited

    def _ending(self, status: str) -> Recorder:
        labels = self.queue, self.job_type, status
        active, busy = ACTIVE.bind(self.queue, self.job_type), BUSY.bind()
        last = LAST_SUCCESS.bind(self.job_type) if status == SUCCESS else None
        end, keep = attempt(active, busy, EXECUTIONS.bind(*labels), DURATION.bind(*labels), last)
        if keep:
            self._ends[status] = end
        return end

    def never_began(self, status: str) -> None:
        """The job was called off or refused before it began."""
        EXECUTIONS.bind(self.queue, self.job_type, status)(1)


class _InPlace(Lane):
    """The lane of what runs in place: in no worker, or within a job that has kept one busy."""

    __slots__ = ()

    def begin(self, waited: float | None = None) -> None:
        """An attempt begins."""
        super().begin(waited)
        view = self._mem[0]
        view[self._busy] -= 1.0

    def end(self, status: str, seconds: float) -> None:
        """An attempt that had begun has ended."""
        view = self._mem[0]
        view[self._busy] += 1.0  # The end takes it away.
        super().end(status, seconds)


def lane(queue: str | None, job_type: str) -> Lane:
    """The lane of this type of job on this queue; None: run in place."""
    found = LANES.get((queue, job_type))
    if found is None:
        found = (_InPlace if queue is None else Lane)(queue, job_type)
        keep(LANES, (queue, job_type), found)
    return found


def enqueued(queue: str, job_type: str) -> None:
    """A job was put into a queue."""
    queued(queue, job_type)(1.0)


def queued(queue: str, job_type: str) -> Recorder:
    """What counts the jobs put into a queue."""
    found = QUEUED.get((queue, job_type))
    if found is None:
        found = counter(ENQUEUED.bind(queue, job_type)), None
        keep(QUEUED, (queue, job_type), found)
    return found[0]


def keep(among: dict[Any, Any], key: object, found: object) -> None:
    """Find it under this key from now on, as long as there is room."""
    if len(among) < _MOST:
        among[key] = found


def exist(queue: str, job_type: str, statuses: Iterable[str] = STATUSES) -> None:
    """Counters of this job exist at 0, so that its first failure shows as an increase."""
    ENQUEUED.bind(queue, job_type)
    for status in statuses:
        EXECUTIONS.bind(queue, job_type, status)
    never_yet(job_type)


def ready() -> None:
    """A worker takes messages: it is not busy yet, and could make a job of each so far."""
    BUSY.bind()
    for reason in REASONS:
        ERRORS.bind(reason)


def never_yet(job_type: str) -> None:
    """A job that is known and has not succeeded since the start."""
    if job_type not in _known:
        _known[job_type] = True
        LAST_SUCCESS.bind(job_type)(0)


def missed(job_name: str, runs: int) -> None:
    """So many runs of a scheduled job were missed; 0: the schedule knows the job.

    Users name schedules, and make them: without ids, and after the first 200 they are one.
    """
    MISSED.bind(_names.of(without_ids(job_name)))(runs)


def workers(pool: int, count: int) -> None:
    """That pool (any number that stands for it) can do so many jobs at a time now."""
    before = _workers.get(pool, 0)
    if count != before:
        WORKERS.bind()(count - before)
        _workers[pool] = count


def queue_read(queue: str, size: int, oldest: float | None) -> None:
    """The broker's queue holds so many jobs, the oldest of this age; None: not to be told."""
    QUEUE_SIZE.bind(queue, WAITING)(size)
    OLDEST.bind(queue)(GONE if oldest is None else oldest)


def queue_left(queue: str) -> None:
    """Nothing more is told of this queue."""
    QUEUE_SIZE.bind(queue, WAITING)(GONE)
    OLDEST.bind(queue)(GONE)


def unreadable(reason: str) -> None:
    """A message that no job could be made of, for one of `REASONS`."""
    ERRORS.bind(reason)(1)
