"""Background jobs: what was queued, how each attempt ended, how long it waited and ran.

One `Lane` is one type of job on one queue; `_sent` tells how long a message was under way. Every
attempt ends in exactly one status. A job without a queue was run in place.
"""

from __future__ import annotations

from time import perf_counter, time

from monagent.metrics import Counter, Gauge, Histogram, UpDownCounter, cache
from monagent.metrics.pulse import due, pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Recorder = Callable[[float], None]

SUCCESS = "success"
FAILED = "failed"
RETRIED = "retried"  # failed, and queued once more
IGNORED = "ignored"  # told its worker to forget about it
REJECTED = "rejected"  # its message was refused, or went back to the queue
REVOKED = "revoked"  # called off or expired
TIMED_OUT = "timed_out"  # ended by a soft or a hard limit

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
    merge="max",  # Every worker reads the same queue.
)
OLDEST = Gauge(
    "job.queue.oldest.age",
    unit="s",
    help="Age of the oldest job in the broker's queue that no worker has fetched.",
    labels=("queue",),
    merge="min",  # Where it cannot be read, each worker knows an upper limit.
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

_lanes: dict[tuple[str | None, str], Lane] = cache()
_queued: dict[tuple[str | None, str], Recorder] = cache()
_workers: dict[int, int] = cache()
_known: dict[str, bool] = cache()
_MOST = 5_000


class Lane:
    """The numbers of one type of job on one queue."""

    __slots__ = ("_active", "_busy", "_outcomes", "_succeeded", "_waited", "job_type", "queue")

    def __init__(self, queue: str | None, job_type: str) -> None:
        self.queue = queue
        self.job_type = job_type
        self._active = ACTIVE.bind(queue, job_type)
        self._busy = BUSY.bind()
        self._waited: Recorder | None = None
        self._succeeded: Recorder | None = None
        self._outcomes: dict[str, tuple[Recorder, Recorder]] = {}

    def begin(self) -> None:
        """An attempt begins."""
        self._active(1)
        self._busy(1)

    def waited(self, seconds: float) -> None:
        """The attempt that begins has waited this long."""
        if self._waited is None:
            self._waited = WAIT.bind(self.queue, self.job_type)
        self._waited(seconds)

    def end(self, status: str, seconds: float) -> None:
        """An attempt that had begun has ended."""
        self._active(-1)
        self._busy(-1)
        try:
            count, took = self._outcomes[status]
        except KeyError:
            labels = self.queue, self.job_type, status
            count, took = self._outcomes[status] = EXECUTIONS.bind(*labels), DURATION.bind(*labels)
        count(1)
        took(seconds)
        if status == SUCCESS:
            if self._succeeded is None:
                self._succeeded = LAST_SUCCESS.bind(self.job_type)
            self._succeeded(time())
        now = perf_counter()
        if now > due[0]:
            pulse(now)

    def never_began(self, status: str) -> None:
        """The job was called off or refused before it began."""
        EXECUTIONS.bind(self.queue, self.job_type, status)(1)


def lane(queue: str | None, job_type: str) -> Lane:
    """The lane of this type of job on this queue; None: run in place."""
    try:
        return _lanes[queue, job_type]
    except KeyError:
        made = Lane(queue, job_type)
        if len(_lanes) < _MOST:
            _lanes[queue, job_type] = made
        return made


def enqueued(queue: str, job_type: str) -> None:
    """A job was put into a queue."""
    try:
        _queued[queue, job_type](1)
    except KeyError:
        made = ENQUEUED.bind(queue, job_type)
        if len(_queued) < _MOST:
            _queued[queue, job_type] = made
        made(1)


def exist(queue: str, job_type: str, statuses: Iterable[str] = STATUSES) -> None:
    """Counters of this job exist at 0, so that its first failure shows as an increase."""
    ENQUEUED.bind(queue, job_type)
    for status in statuses:
        EXECUTIONS.bind(queue, job_type, status)
    never_yet(job_type)


def never_yet(job_type: str) -> None:
    """A job that is known and has not succeeded since the start."""
    if job_type not in _known:
        _known[job_type] = True
        LAST_SUCCESS.bind(job_type)(0)


def missed(job_name: str, runs: int) -> None:
    """So many runs of a scheduled job were missed; 0: the schedule knows the job."""
    MISSED.bind(job_name)(runs)


def workers(pool: int, count: int) -> None:
    """That pool (any number that stands for it) can do so many jobs at a time now."""
    before = _workers.get(pool, 0)
    if count != before:
        WORKERS.bind()(count - before)
        _workers[pool] = count


def queue_read(queue: str, size: int, oldest: float | None) -> None:
    """The broker's queue holds so many jobs, the oldest of this age; None: not to be told."""
    QUEUE_SIZE.bind(queue, WAITING)(size)
    if oldest is not None:
        OLDEST.bind(queue)(oldest)


def unreadable(reason: str) -> None:
    """A message that no job could be made of."""
    ERRORS.bind(reason)(1)
