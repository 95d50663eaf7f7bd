"""Every attempt counts once, in the state that the client saw, whatever happens to children."""

from __future__ import annotations

import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import celery
import pytest
import redis

from monagent.integrations import _celery_attempts as attempts
from tests.celery.running import adopted, environment, until, worker
from tests.recorded import Counted
from tests.recorded import counted as read

APP = "jobs_app."
Plan = list[tuple[str, list[Any], dict[str, Any]]]
Seen = list[tuple[str, str, str, Any]]


def start_client(plan: Plan, environ: dict[str, str], tmp_path: Path) -> subprocess.Popen[bytes]:
    """A client with monagent that works through the plan."""
    return subprocess.Popen(
        adopted("-m", "client"),
        env={**environ, "PLAN": json.dumps(plan)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )


def client(plan: Plan, environ: dict[str, str], tmp_path: Path) -> Seen:
    """What a client saw of each task of the plan."""
    output, _ = start_client(plan, environ, tmp_path).communicate(timeout=180)
    seen: Seen = json.loads(output)
    return seen


def statuses(seen: Seen, log: str = "") -> dict[tuple[str, str], int]:
    """(task, status) → attempts, as they follow from what the client saw and the worker's log.

    Celery decides once about each delivery of a message, and how often one was delivered whose
    child was killed, only the log tells. Usually it goes back to the broker, rejected. But a child
    that dies while the pool handles the end of another one (billiard 4.3, `_join_exited_workers`)
    has its pipe closed with the news unread that it had begun, and the pool hands the task to the
    next child without deciding anything. It does so without monagent, too.
    """
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for name in {name for name, *_ in seen if name == "killed_once"}:
        deliveries = re.findall(rf"Task {re.escape(APP + name)}\[.*?\] received", log)
        found[name, "rejected"] = len(deliveries)
    for name, state, error, value in seen:
        status = {"SUCCESS": "success", "REVOKED": "revoked", "IGNORED": "ignored"}.get(state)
        if name == "flaky":
            found[name, "retried"] += value
        if name == "reject":
            status = "rejected"  # Celery 5.7 shows a failure, earlier ones the task's own state.
        if "TimeLimitExceeded" in error:
            status = "timed_out"
        if name == "killed_once":
            found[name, "rejected"] -= 1  # the delivery that came to a decision at last
        found[name, status or "failed"] += 1
    return dict(+found)


def executions(counted: Counted) -> dict[tuple[str, str], int]:
    """(task, status) → attempts, as counted."""
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for (metric, labels), value in counted.series.items():
        if metric == "job.execution" and value:
            has = {key: str(text) for key, text in labels}
            found[has["job_type"].removeprefix(APP), has["status"]] += int(value)
    return dict(found)


def settled(counted: Counted, attempts: int) -> bool:
    """Whether the worker has told of so many attempts: the client may know before it does."""
    under_way = counted.total("job.active") or counted.total("worker.busy")
    return counted.total("job.execution") >= attempts and not under_way


def test_every_way_to_end_counts_once(broker: str, redis_url: str, tmp_path: Path) -> None:
    """Success, failure, retry, ignore, reject, both time limits, children killed: each exact."""
    environ = environment(tmp_path / "numbers", broker, redis_url)
    plan: Plan = [
        ("add", [1, 2], {}),
        ("fail", [], {}),
        ("flaky", [2], {}),
        ("ignore", [], {}),
        ("reject", [], {}),
        ("soft", [], {}),
        ("soft", [True], {}),
        ("hard", [], {}),
        ("killed", [], {}),
        ("killed_once", [str(tmp_path / "mark")], {}),
    ]
    with worker(environ, tmp_path, "-c", "2") as run:
        seen = client(plan, environ, tmp_path)
        expected = statuses(seen, run.output.read_text())
        counted = run.until(lambda now: settled(now, sum(expected.values())))

    assert executions(counted) == expected
    assert counted.total("job.enqueued") == 10 + 2  # and two retries
    assert counted.total("worker.busy") == 0


@pytest.mark.slow
def test_two_hundred_tasks_among_killed_children_are_exact(redis_url: str, tmp_path: Path) -> None:
    """200 mixed tasks, a tenth in children killed by SIGKILL from inside or outside: exact."""
    victims = [str(tmp_path / f"victim{number}") for number in range(8)]
    plan: Plan = [
        *(("add", [number, number], {}) for number in range(90)),
        *(("fail", [], {}) for _ in range(30)),
        *(("flaky", [1 + number % 2, 0.1], {}) for number in range(16)),
        *(("ignore", [], {}) for _ in range(12)),
        *(("reject", [], {}) for _ in range(12)),
        *(("soft", [number % 2 == 0], {}) for number in range(4)),
        *(("hard", [], {}) for _ in range(4)),
        *(("killed", [], {}) for _ in range(16)),
        *(("killed_once", [str(tmp_path / f"mark{number}")], {}) for number in range(8)),
        *(("victim", [path], {}) for path in victims),
    ]
    random.Random(7).shuffle(plan)
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    with worker(environ, tmp_path, "-c", "4") as run:
        sender = start_client(plan, environ, tmp_path)
        killed = set()
        end = time.monotonic() + 180
        # A victim that the pool begins once more is killed once more.
        while sender.poll() is None and time.monotonic() < end:
            for path in [path for path in victims if os.path.exists(path)]:
                pid = int(Path(path).read_text())
                if (path, pid) not in killed:
                    killed.add((path, pid))
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        output, _ = sender.communicate(timeout=60)
        seen: Seen = json.loads(output)
        expected = statuses(seen, run.output.read_text())
        counted = run.until(lambda now: settled(now, sum(expected.values())))

    assert len(plan) == 200
    assert executions(counted) == expected
    assert counted.total("job.enqueued") == 200 + expected["flaky", "retried"]
    assert counted.total("job.execution.duration") == counted.total("job.execution")


def test_what_a_cold_shutdown_ends_is_lost_or_comes_again(redis_url: str, tmp_path: Path) -> None:
    """Lost is what was acknowledged when it began; Celery calls both retried, or did until 5.5."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    begun = [tmp_path / name for name in ("early", "late")]
    program = """
import sys, jobs_app
for name in sys.argv[1:]:
    jobs_app.app.tasks["jobs_app.held_" + name.rsplit("/")[-1]].delay(name)
"""
    with worker(environ, tmp_path, "-c", "2") as run:
        subprocess.run([sys.executable, "-c", program, *map(str, begun)], env=environ, check=True)
        until(lambda: all(Path(f"{file}.begun").exists() for file in begun), lambda: "")
        run.process.send_signal(signal.SIGQUIT)
        run.process.wait(30)
        counted = run.counted()
    with redis.Redis.from_url(redis_url) as client:
        left = [json.loads(text)[0]["headers"]["task"] for text in client.hvals("unacked")]
        left += [json.loads(text)["headers"]["task"] for text in client.lrange("shop", 0, -1)]

    assert left == [f"{APP}held_late"]
    found = executions(counted)
    assert found.pop(("held_early", "failed")) == 1
    assert found in ({("held_late", status): 1} for status in ("rejected", "retried"))


@pytest.mark.skipif(celery.VERSION < (5, 5), reason="Celery has a soft shutdown from 5.5 on")
def test_what_succeeds_in_a_soft_shutdown_has_succeeded(redis_url: str, tmp_path: Path) -> None:
    """The worker reads of it after it has cancelled what it waited for in vain."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url, SOFT_SHUTDOWN="3")
    begun = [tmp_path / name for name in ("1early", "1late", "2early", "2late")]
    program = """
import sys, jobs_app
for name in sys.argv[1:]:
    jobs_app.app.tasks["jobs_app.held_" + name.rsplit("/")[-1][1:]].delay(name)
"""
    with worker(environ, tmp_path, "-c", "4") as run:
        subprocess.run([sys.executable, "-c", program, *map(str, begun)], env=environ, check=True)
        until(lambda: all(Path(f"{file}.begun").exists() for file in begun), lambda: "")
        run.process.send_signal(signal.SIGQUIT)
        until(lambda: "Initiating Soft Shutdown" in run.output.read_text(), run.output.read_text)
        for file in begun[:2]:
            file.touch()
        run.process.wait(30)
        counted = run.counted()
    with redis.Redis.from_url(redis_url) as client:
        left = [json.loads(text)[0]["headers"]["argsrepr"] for text in client.hvals("unacked")]
        left += [json.loads(text)["headers"]["argsrepr"] for text in client.lrange("shop", 0, -1)]

    assert [str(begun[3]) in text for text in left] == [True]
    assert executions(counted) == {
        ("held_early", "success"): 1,
        ("held_late", "success"): 1,
        ("held_early", "failed"): 1,
        ("held_late", "rejected"): 1,
    }
    assert counted.total("job.active") == 0


def test_a_cancelled_task_that_nobody_tells_of_is_settled() -> None:
    """At once where the worker lives on or its pool has no children, else when it has stopped."""
    settled: list[str] = []

    def call_off(name: str, result: object) -> None:
        attempt = SimpleNamespace(settle=partial(settled.append, name))
        request = SimpleNamespace(
            _monagent=attempt, _apply_result=lambda: result, acknowledged=False
        )
        attempts.call_off(request, again=False)

    call_off("lost", SimpleNamespace(terminate=None))
    attempts.stopping[0] = True
    call_off("child", SimpleNamespace(terminate=None))
    call_off("greenlet", object())
    before = list(settled)
    attempts.settle_all()

    assert (before, settled) == (["lost", "greenlet"], ["lost", "greenlet", "child"])
    assert not attempts.stopping[0]


@pytest.mark.parametrize("pool", ["threads", "solo", "gevent"])
def test_pools_without_children_count_the_same(
    pool: str, broker: str, redis_url: str, tmp_path: Path
) -> None:
    """Success, failure, retry, ignore and reject are exact in every pool, on every broker."""
    environ = environment(tmp_path / "numbers", broker, redis_url)
    plan: Plan = [
        *(("add", [number, number], {}) for number in range(20)),
        *(("fail", [], {}) for _ in range(5)),
        *(("flaky", [1], {}) for _ in range(3)),
        *(("ignore", [], {}) for _ in range(2)),
        *(("reject", [], {}) for _ in range(2)),
    ]
    with worker(environ, tmp_path, "-P", pool, "-c", "4") as run:
        seen = client(plan, environ, tmp_path)
        counted = run.until(lambda now: settled(now, 35))

    assert executions(counted) == statuses(seen)
    assert executions(counted)["add", "success"] == 20


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_a_task_that_leaves_its_thread_has_failed(
    pool: str, redis_url: str, tmp_path: Path
) -> None:
    """SystemExit and KeyboardInterrupt end the attempt, and nothing is under way any more."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = """
import jobs_app
for interrupted in False, True:
    jobs_app.leaves.delay(interrupted)
    jobs_app.add.delay(1, 2).get(timeout=50)
"""
    with worker(environ, tmp_path, "-P", pool, "-c", "2") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        counted = run.until(lambda now: settled(now, 4))

    assert executions(counted) == {("add", "success"): 2, ("leaves", "failed"): 2}
    assert counted.total("job.execution.duration", status="failed") == 2
    assert counted.total("monagent.errors") == 0


def test_a_worker_that_ends_by_its_own_error_blames_itself(redis_url: str, tmp_path: Path) -> None:
    """SystemExit in a task ends a solo worker: the task has failed, in Celery's last frame."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = "import jobs_app; jobs_app.leaves.delay()"
    with worker(environ, tmp_path, "-P", "solo") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        run.process.wait(30)

    assert executions(run.counted()) == {("leaves", "failed"): 1}
    last_frame = re.findall(r'^  File "(.*?)"', run.output.read_text(), re.MULTILINE)[-1]
    assert last_frame.endswith("celery/worker/request.py")


def test_recycled_children_lose_nothing(redis_url: str, tmp_path: Path) -> None:
    """With --max-tasks-per-child 1 all tasks are counted, and what children themselves sent."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    plan: Plan = [("sends", [3], {}) for _ in range(6)]
    with worker(environ, tmp_path, "-c", "2", "--max-tasks-per-child", "1") as run:
        client(plan, environ, tmp_path)
        counted = run.until(lambda now: settled(now, 24))

    assert executions(counted) == {("sends", "success"): 6, ("add", "success"): 18}
    assert counted.total("job.enqueued", job_type="jobs_app.add") == 18


@pytest.mark.parametrize("while_it_runs", [False, True])
def test_a_revoked_task_is_revoked_once(
    while_it_runs: bool, redis_url: str, tmp_path: Path
) -> None:
    """Called off before it begins, or terminated while it runs: one attempt, revoked."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    options = "{}" if while_it_runs else "{'countdown': 5}"
    program = f"""
import os, time, jobs_app
pid = {str(tmp_path / "pid")!r}
result = jobs_app.victim.apply_async([pid], **{options})
while {while_it_runs} and not os.path.exists(pid):
    time.sleep(0.05)
result.revoke(terminate={while_it_runs})
while result.state != "REVOKED":
    time.sleep(0.05)
"""
    with worker(environ, tmp_path, "-c", "2") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        counted = run.until(lambda now: settled(now, 1))

    assert executions(counted) == {("victim", "revoked"): 1}
    assert counted.total("job.execution.duration") == (1 if while_it_runs else 0)


def test_a_task_nobody_knows_is_rejected_under_one_name(redis_url: str, tmp_path: Path) -> None:
    """Names that are not registered never become labels of the worker."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = "import jobs_app\nfor n in range(3): jobs_app.app.send_task(f'unheard.of.{n}')"
    with worker(environ, tmp_path, "-c", "1") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        counted = run.until(lambda now: settled(now, 3) and now.total("worker.errors") >= 3)

    assert executions(counted) == {("_OTHER", "rejected"): 3}
    assert counted.total("worker.errors") == 3


def test_tasks_run_in_place_count_without_a_queue(tmp_path: Path) -> None:
    """`apply()` and eager mode are attempts that nobody queued; a retry in place is one more."""
    environ = environment(tmp_path / "numbers", "memory://", "cache+memory://")
    program = """
import jobs_app
jobs_app.add.apply((1, 2))
jobs_app.app.conf.task_always_eager = True
jobs_app.fail.delay()
jobs_app.flaky.delay(2, 0)
"""
    subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
    counted = read(tmp_path / "numbers")

    assert executions(counted) == {
        ("add", "success"): 1,
        ("fail", "failed"): 1,
        ("flaky", "retried"): 2,
        ("flaky", "success"): 1,
    }
    assert counted.by("job.execution", "queue") == {"": 5}
    assert counted.total("job.enqueued") == 0


def test_a_task_within_a_task_keeps_no_second_worker_busy(redis_url: str, tmp_path: Path) -> None:
    """Run in place it is active, in the child that is busy already, and counts once."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    gate = tmp_path / "gate"
    program = f"import jobs_app; jobs_app.nests.delay({str(gate)!r})"
    with worker(environ, tmp_path, "-c", "2") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        until(lambda: os.path.exists(f"{gate}.begun"), run.output.read_text)
        within = run.until(lambda now: now.total("job.active") == 2)
        gate.touch()
        ended = run.until(lambda now: settled(now, 2))

    assert within.total("worker.busy") == 1
    assert executions(ended) == {("nests", "success"): 1, ("held", "success"): 1}
    assert ended.total("worker.busy") == 0


def test_canvas_counts_every_task_of_it_once(redis_url: str, tmp_path: Path) -> None:
    """A chain, a group and a chord are as many jobs as they have tasks."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = """
from celery import chain, chord, group
from jobs_app import add, total
assert chain(add.s(1, 1), add.s(2), add.s(3))().get(timeout=50) == 7
assert group(add.s(n, n) for n in range(4))().get(timeout=50) == [0, 2, 4, 6]
assert chord([add.s(n, n) for n in range(4)], total.s())().get(timeout=50) == 12
"""
    with worker(environ, tmp_path, "-c", "2") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=60, check=True)
        counted = run.until(lambda now: settled(now, 12))

    assert executions(counted) == {("add", "success"): 11, ("total", "success"): 1}
    assert counted.total("job.enqueued") == 12
