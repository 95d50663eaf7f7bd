"""A Celery application without a line of monitoring: tasks that end in every way there is."""

# mypy: disable-error-code="untyped-decorator, no-untyped-call"

from __future__ import annotations

import os
import signal
import time
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject
from kombu.entity import Exchange, Queue, binding

EVERY = float(os.environ.get("EVERY", "1"))  # seconds

app = Celery("shop", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_default_queue="shop",
    broker_transport_options={"global_keyprefix": os.environ.get("KEY_PREFIX", "")},
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "4")),
    task_routes={"jobs_app.slow": {"queue": os.environ.get("SLOW_QUEUE", "shop")}},
    beat_schedule={
        "every-second": {"task": "jobs_app.add", "schedule": EVERY, "args": (1, 1)},
    },
)

if window := float(os.environ.get("SOFT_SHUTDOWN", "0")):  # seconds
    app.conf.worker_soft_shutdown_timeout = window

if os.environ.get("EXCHANGES"):
    topics, direct = Exchange("topics", "topic"), Exchange("direct", "direct")
    app.conf.task_queues = [
        Queue("shop"),
        Queue("feeds", topics, routing_key="feed.#"),
        Queue("fruit", topics, routing_key="*.apple"),
        Queue("one", direct, routing_key="1"),
        Queue("two", direct, routing_key="2"),
        Queue("left", direct, routing_key="both"),
        Queue("right", direct, routing_key="both"),
        Queue(
            "media",
            [
                binding(direct, "video"),
                binding(direct, "image"),
                binding(topics, "media.*"),
            ],
        ),
    ]

if lease := float(os.environ.get("LEASE", "0")):  # seconds
    tenant = Queue("tenant", expires=lease)
    argued = Queue("argued", queue_arguments={"x-expires": int(lease * 1000)})
    app.conf.task_queues = [Queue("shop"), tenant, argued]

if alone := os.environ.get("EXCLUSIVE"):
    app.conf.task_queues = [Queue(alone, exclusive=True, auto_delete=True), Queue("shop")]


@app.task
def add(a: int, b: int) -> int:
    return a + b


@app.task
def fail(text: str = "no") -> None:
    raise ValueError(text)


@app.task(bind=True, max_retries=2)
def flaky(self: Any, successes_at: int = 1, countdown: float = 0.1) -> int:
    if self.request.retries < successes_at:
        raise self.retry(countdown=countdown)
    retries: int = self.request.retries
    return retries


@app.task(bind=True)
def ignore(self: Any) -> None:
    self.update_state(state="IGNORED")
    raise Ignore


@app.task(bind=True, acks_late=True)
def reject(self: Any) -> None:
    self.update_state(state="REJECTED")
    raise Reject("not here", requeue=False)


@app.task
def slow(seconds: float = 1.0) -> str:
    time.sleep(seconds)
    return "slept"


@app.task
def held(file: str) -> None:
    """Tells that it has begun, and waits for a file."""
    with open(file + ".begun", "w"):
        pass
    while not os.path.exists(file):
        time.sleep(0.05)


@app.task
def nests(file: str) -> None:
    """Runs another one in place."""
    held.apply((file,))


app.task(held, name="jobs_app.held_early", acks_late=False)
app.task(held, name="jobs_app.held_late", acks_late=True)


@app.task
def leaves(interrupted: bool = False) -> None:
    raise KeyboardInterrupt if interrupted else SystemExit(3)


@app.task(soft_time_limit=1)
def soft(caught: bool = False) -> str:
    from celery.exceptions import SoftTimeLimitExceeded

    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        if not caught:
            raise
    return "cleaned up"


@app.task(time_limit=1)
def hard() -> None:
    time.sleep(30)


@app.task
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(acks_late=True, reject_on_worker_lost=True)
def killed_once(mark: str) -> str:
    """Its child is killed at the first attempt; the message goes back and is done by another."""
    if os.path.exists(mark):
        return "at last"
    with open(mark, "w"):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@app.task
def victim(file: str) -> None:
    """Tells its process's number and waits for somebody to kill it."""
    with open(file + ".new", "w") as told:
        told.write(str(os.getpid()))
    os.rename(file + ".new", file)
    time.sleep(60)


@app.task
def sends(count: int) -> int:
    for number in range(count):
        add.delay(number, number)
    return count


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(rate_limit="10/s")
def limited() -> None:
    return None


@app.task(bind=True)
def seen(self: Any) -> dict[str, Any]:
    """What a task sees of its message."""
    return {"headers": self.request.headers, "properties": sorted(self.request.properties)}
