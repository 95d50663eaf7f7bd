"""What waits at the broker: size and oldest age, workers, and that first failures show."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from celery import Celery

from monagent import guard
from monagent.conventions import jobs
from monagent.integrations._celery_queues import Watch
from tests.celery.proxies import proxy
from tests.celery.running import Running, adopted, environment, worker
from tests.recorded import Counted
from tests.runtime.programs import program

SEND = """
import os, sys, time
from jobs_app import add, held
held.delay(sys.argv[1])
while not os.path.exists(sys.argv[1] + ".begun"):
    time.sleep(0.05)
for number in range(5):
    add.delay(number, number)
"""


@contextlib.contextmanager
def filled(environ: dict[str, str], tmp_path: Path) -> Iterator[tuple[Running, Counted]]:
    """A worker whose only child works until the block ends, and what it told of five more tasks."""
    gate = tmp_path / "gate"
    with worker(environ, tmp_path, "-c", "1", "-O", "fair") as run:
        subprocess.run(
            adopted("-c", SEND, str(gate)), env=environ, cwd=tmp_path, timeout=90, check=True
        )

        def full(now: Counted) -> bool:
            waiting = now.total("job.queue.size", queue="shop", state="waiting")
            # One may be on its way to the child.
            return waiting in (4, 5) and now.total("job.queue.oldest.age", queue="shop") > 0

        try:
            yield run, run.until(full)
        finally:
            gate.touch()


def test_what_waits_at_the_broker_is_told_by_one_process(
    broker: str, redis_url: str, tmp_path: Path
) -> None:
    """One busy child that prefetches nothing: five tasks wait, and then none."""
    environ = environment(tmp_path / "numbers", broker, redis_url, PREFETCH="1")
    with filled(environ, tmp_path) as (run, full):
        (tmp_path / "gate").touch()
        empty = run.until(
            lambda now: not now.total("job.queue.size") and not now.total("job.queue.oldest.age")
        )

    assert full.total("job.queue.size") in (4, 5)
    assert full.total("job.queue.oldest.age", queue="shop") < 60
    readers = [key for key in empty.series if key[0] == "job.queue.size"]
    assert len(readers) == 1


def test_a_queue_that_may_not_be_read_hides_no_other(
    rabbitmq_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A worker may have a queue that is its connection's alone."""
    environ = environment(
        tmp_path / "numbers", rabbitmq_url, redis_url, PREFETCH="1", EXCLUSIVE="alone"
    )
    with filled(environ, tmp_path) as (_, full):
        pass

    assert full.by("job.queue.size", "queue") == {"shop": full.total("job.queue.size")}
    assert full.total("monagent.errors") == 0


def test_keys_with_a_prefix_are_found(redis_url: str, tmp_path: Path) -> None:
    """Several applications may share a Redis database: each has a prefix for all its keys."""
    environ = environment(
        tmp_path / "numbers", redis_url, redis_url, PREFETCH="1", KEY_PREFIX="mine:"
    )
    with filled(environ, tmp_path) as (_, full):
        pass

    assert full.total("job.queue.oldest.age", queue="shop") < 60


def test_who_reads_a_queue_no_more_hides_not_what_others_read(
    redis_url: str, tmp_path: Path
) -> None:
    """One of two workers is busy in its own process since it read that something waits."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url, PREFETCH="1")
    gate = tmp_path / "gate"
    send = "import sys; from jobs_app import add, held, slow; slow.delay(); "
    send += "held.delay(sys.argv[1]); [add.delay(1, 1) for _ in range(3)]"
    subprocess.run(
        adopted("-c", send, str(gate)), env=environ, cwd=tmp_path, timeout=90, check=True
    )
    with worker(environ, tmp_path, "-P", "solo", "-n", "busy@%h") as busy:
        try:
            full = busy.until(lambda now: bool(now.total("job.active", job_type="jobs_app.held")))
            with worker(environ, tmp_path, "-P", "solo", "-n", "free@%h") as free:
                empty = free.until(lambda now: not now.total("job.queue.size"))
        finally:
            gate.touch()

    assert full.total("job.queue.size") >= 3
    assert empty.total("job.active", job_type="jobs_app.held") == 1
    assert empty.total("job.queue.oldest.age") == 0


def test_a_queue_that_is_consumed_no_more_is_told_on(redis_url: str, tmp_path: Path) -> None:
    """`cancel_consumer` takes the worker away from a queue that goes on to fill."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = """
from jobs_app import add, app
assert app.control.cancel_consumer("shop", reply=True, timeout=20, limit=1)
for number in range(3):
    add.delay(number, number)
"""
    with worker(environ, tmp_path, "-c", "1") as run:
        run.until(lambda now: any(metric == "job.queue.size" for metric, _ in now.series))
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        filled = run.until(lambda now: now.total("job.queue.size", queue="shop") == 3, 20)

    assert filled.total("job.queue.oldest.age", queue="shop") > 0


def test_a_queue_expires_once_it_is_consumed_no_more(
    rabbitmq_url: str, redis_url: str, tmp_path: Path
) -> None:
    """RabbitMQ takes a look at a queue for its use; of such a one nothing is told any more."""
    lease = 7.0
    environ = environment(tmp_path / "numbers", rabbitmq_url, redis_url, LEASE=str(lease))
    program = """
from jobs_app import app
for name in "tenant", "argued":
    assert app.control.cancel_consumer(name, reply=True, timeout=20, limit=1)
"""

    def told(now: Counted) -> set[str]:
        size = [labels for metric, labels in now.series if metric == "job.queue.size"]
        return {str(dict(labels)["queue"]) for labels in size}

    with worker(environ, tmp_path, "-c", "1") as run:
        run.until(lambda now: told(now) == {"shop", "tenant", "argued"})
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        run.until(lambda now: told(now) == {"shop"})
        time.sleep(lease + 2.0)
        for name in "tenant", "argued":
            with amqp.Connection(rabbitmq_url.split("@")[1].strip("/")) as broker:
                with pytest.raises(amqp.NotFound):
                    broker.channel().queue_declare(name, passive=True)


READ = """
import json, os, time
from types import SimpleNamespace
from celery import Celery
from kombu import Queue
from monagent.integrations._celery_queues import Watch
app = Celery(broker=os.environ["BROKER"])
app.conf.task_default_queue = "shop"
app.conf.task_queues = [Queue("shop", max_priority=json.loads(os.environ["PRIORITIES"]))]
watch = Watch(SimpleNamespace(app=app, pool=SimpleNamespace(_pool=None, num_processes=1)))
with app.connection_for_write() as connection:
    app.amqp.queues["shop"](connection.default_channel).declare()
    watch.tick()
    for options in json.loads(os.environ["SENT"]):
        app.send_task("add", connection=connection, **options)
    for _ in range(20):
        time.sleep(0.05)
        watch.tick()
    watch.stop()
"""
STAMPED: dict[str, object] = {}
OWN: dict[str, object] = {"message_id": "mine"}


@pytest.mark.parametrize(
    ("priorities", "sent", "kind", "told"),
    [
        (None, [STAMPED, OWN], "redis", True),
        (None, [OWN, STAMPED], "redis", False),
        (None, [STAMPED, {**OWN, "priority": 9}], "redis", False),
        (None, [STAMPED], "rabbitmq", True),
        (9, [STAMPED], "rabbitmq", False),
    ],
)
def test_an_age_that_nobody_can_tell_is_not_told(
    priorities: int | None,
    sent: list[dict[str, object]],
    kind: str,
    told: bool,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Of a head without a stamp, and of RabbitMQ's queues by priority, where what came last may
    have overtaken others; nor does the age of before stay."""
    environ = {
        "BROKER": request.getfixturevalue(f"{kind}_url"),
        "PRIORITIES": json.dumps(priorities),
        "SENT": json.dumps(sent),
    }
    ended = program(READ, tmp_path, environ=environ)

    assert (ended.code, ended.errors) == (0, b"")
    labels = frozenset({("queue", "shop")})
    assert ended.counted.total("job.queue.size", queue="shop") == len(sent)
    assert (ended.counted.series.get(("job.queue.oldest.age", labels), 0) > 0) is told
    assert (("job.queue.oldest.age", labels) in ended.counted.series) is told


def test_a_broker_that_falls_silent_holds_the_worker_up_less_and_less(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event loop waits for no answer without end, on the connection that was or on a new one,
    and asks again only after a while, which becomes longer."""
    told: list[BaseException] = []
    monkeypatch.setattr(guard, "failed", lambda _, error: told.append(error))
    port = urllib.parse.urlsplit(broker).port
    assert port

    with proxy(port) as between:
        app = Celery(broker=broker.replace(str(port), str(between.port)))
        pool = SimpleNamespace(_pool=None, num_processes=1)
        watch = Watch(SimpleNamespace(app=app, pool=pool))
        watch.tick()
        connected = watch._connection is not None
        between.fall_silent()
        pauses = []
        for _ in range(3):
            watch._not_before = 0.0
            ticking = threading.Thread(target=watch.tick, daemon=True)
            ticking.start()
            ticking.join(30)
            assert not ticking.is_alive()
            assert watch._connection is None
            pauses.append(watch._not_before - time.monotonic())

    assert connected
    assert 1 < pauses[0] < pauses[1] < pauses[2]
    assert told == []


def test_a_slow_broker_is_not_asked_for_all_of_many_queues(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stands still for one answer too slow, not for each queue of many; the others are
    next, after a rest."""
    app = Celery(broker=broker)
    app.conf.task_queues = {f"none-{number}": {} for number in range(20)}
    watch = Watch(SimpleNamespace(app=app, pool=SimpleNamespace(_pool=None, num_processes=1)))
    read: list[str] = []

    def slowly(queue: Any) -> None:
        read.append(queue.name)
        time.sleep(0.3)

    monkeypatch.setattr(watch, "_read_queue", slowly)
    watch.tick()
    at_once = len(read)
    rest = watch._not_before - time.monotonic()
    watch.tick()
    in_vain = len(read)
    while len(read) < 20:
        watch._not_before = 0.0
        watch.tick()
    watch.stop()

    assert 0 < at_once == in_vain < 20
    assert rest > 5 * at_once * 0.3
    assert sorted(read[:20]) == sorted(app.conf.task_queues)


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_worker_tells_how_many_jobs_it_can_do(pool: str, redis_url: str, tmp_path: Path) -> None:
    """Three children, threads or greenlets: three; and nothing once the worker has ended."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    with worker(environ, tmp_path, "-c", "3", "-P", pool) as run:
        ready = run.until(lambda now: now.total("worker.active") == 3)

    assert ready.total("worker.busy") == 0
    assert run.counted(live_only=True).total("worker.active") == 0


def test_a_worker_that_has_ended_in_a_living_process_can_do_nothing(tmp_path: Path) -> None:
    """Tests run workers in threads, one after another."""
    text = """
        from celery import Celery
        from celery.contrib.testing.worker import start_worker
        app = Celery(broker="memory://", backend="cache+memory://")
        for size in 2, 3:
            with start_worker(app, concurrency=size, pool="threads", perform_ping_check=False):
                pass
    """
    ended = program(text, tmp_path)

    assert (ended.code, ended.errors) == (0, b"")
    assert ended.counted.series["worker.active", frozenset()] == 0


def test_counters_of_known_tasks_exist_before_the_first_task(
    redis_url: str, tmp_path: Path
) -> None:
    """Each task of the application in each status, on the one queue it can come by, at 0."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    with worker(environ, tmp_path, "-c", "1", "-Q", "shop,other") as run:
        counted = run.until(lambda now: now.total("worker.active") == 1)

    added = {
        dict(labels)["status"]: value
        for (metric, labels), value in counted.series.items()
        if metric == "job.execution" and dict(labels)["job_type"] == "jobs_app.add"
    }
    assert added == dict.fromkeys(jobs.STATUSES, 0)
    assert ("job.enqueued", frozenset({("queue", "shop"), ("job_type", "jobs_app.add")})) in (
        counted.series
    )
    queues = {
        dict(labels)["queue"] for metric, labels in counted.series if metric == "job.enqueued"
    }
    assert queues == {"shop"}
    errors = {
        dict(labels)["error.type"]: value
        for (metric, labels), value in counted.series.items()
        if metric == "worker.errors"
    }
    assert errors == dict.fromkeys(jobs.REASONS, 0)
    assert counted.series["worker.busy", frozenset()] == 0
    last = {
        dict(labels)["job_type"]: value
        for (metric, labels), value in counted.series.items()
        if metric == "job.last_success.timestamp"
    }
    assert last["jobs_app.add"] == 0
