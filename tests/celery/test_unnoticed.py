"""A Celery application behaves as without monagent, and its broker traffic can be told apart."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.celery.running import adopted, environment, worker

SEE = "import jobs_app; print(jobs_app.seen.delay().get(timeout=30))"


def printed(program: str, environ: dict[str, str], folder: Path) -> bytes:
    """What a program under monagent prints."""
    done = subprocess.run(
        adopted("-c", program),
        env=environ, cwd=folder, timeout=60, check=True, capture_output=True,
    )  # fmt: skip
    return done.stdout


def test_a_task_sees_its_message_as_before(broker: str, redis_url: str, tmp_path: Path) -> None:
    """No header is added; the one property more is `message_id`."""
    environ = environment(tmp_path / "numbers", broker, redis_url)
    with worker(environ, tmp_path, "-c", "1"):
        plain, watched = (
            ast.literal_eval(
                subprocess.run(
                    command, env=environ, cwd=tmp_path, timeout=60, check=True, capture_output=True
                ).stdout.decode()
            )
            for command in ([sys.executable, "-c", SEE], adopted("-c", SEE))
        )

    assert plain["headers"] is None
    assert watched["headers"] is None
    assert set(watched["properties"]) - set(plain["properties"]) == {"message_id"}


def test_a_message_id_of_the_application_stays(redis_url: str, tmp_path: Path) -> None:
    """It sets one, and gets no other; the task is counted, its waiting is not known."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = """
import jobs_app, json, redis
jobs_app.add.apply_async((1, 1), message_id="mine", queue="nobody")
client = redis.Redis.from_url(jobs_app.app.conf.broker_url)
print(json.loads(client.lindex("nobody", 0))["properties"]["message_id"])
"""
    assert printed(program, environ, tmp_path) == b"mine\n"


def test_a_message_that_is_sent_again_gets_another_stamp(redis_url: str, tmp_path: Path) -> None:
    """One of the program's own, in what it has made itself, stays."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = """
import jobs_app, json, redis
amqp = jobs_app.app.amqp
ours, own = (amqp.create_task_message(one, "jobs_app.add", (1, 1)) for one in ("a", "b"))
own.properties["message_id"] = "mine"
with jobs_app.app.producer_pool.acquire() as producer:
    for message in (ours, ours, own):
        amqp.send_task_message(producer, name="jobs_app.add", message=message, queue="nobody")
client = redis.Redis.from_url(jobs_app.app.conf.broker_url)
ids = [json.loads(one)["properties"]["message_id"] for one in client.lrange("nobody", 0, -1)]
print(ids[0], len(set(ids)), [one.split("/")[0] for one in ids[1:]])
"""
    assert printed(program, environ, tmp_path) == b"mine 3 ['monagent', 'monagent']\n"


def test_connections_of_broker_and_results_can_be_told_from_the_applications(
    redis_url: str, tmp_path: Path
) -> None:
    """A redis client of the program is its own; Celery's two are plumbing."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url)
    program = """
import jobs_app, redis
from monagent.conventions import _plumbing
own = redis.Redis.from_url(jobs_app.app.conf.broker_url)
results = jobs_app.app.backend.client
with jobs_app.app.connection_for_write() as connection:
    broker = connection.default_channel.client
    print([_plumbing.owned(client.connection_pool) for client in (own, results, broker)])
"""
    assert printed(program, environ, tmp_path) == b"[False, True, True]\n"


def test_signatures_are_those_of_celery(tmp_path: Path) -> None:
    """What inspect says of every watched method is what it says without monagent."""
    program = """
import inspect
from celery.app.amqp import AMQP
from celery.app.trace import build_tracer
from celery.beat import Scheduler
from celery.worker.consumer.consumer import Consumer
from celery.worker.request import Request, create_request_cls
for found in (build_tracer, create_request_cls, AMQP, Request, Consumer, Scheduler):
    methods = sorted(vars(found).items()) if isinstance(found, type) else []
    for name, function in [("", found), *methods]:
        if inspect.isroutine(function):
            taken = [(p.name, p.kind.name) for p in inspect.signature(function).parameters.values()]
            print(found.__name__, name, type(function).__name__, taken)
"""
    environ = environment(tmp_path / "numbers", "memory://", "cache+memory://")
    plain, watched = (
        subprocess.run(
            command, env=environ, cwd=tmp_path, timeout=60, check=True, capture_output=True
        ).stdout
        for command in ([sys.executable, "-c", program], adopted("-c", program))
    )

    assert watched.splitlines() == plain.splitlines()
    assert b"on_failure" in plain
