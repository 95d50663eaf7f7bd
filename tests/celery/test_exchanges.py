"""A task sent by exchange and routing key has the name of the queue that it goes to."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from monagent.integrations._celery_bindings import matches
from tests.celery.running import adopted, environment, worker
from tests.celery.test_states import settled
from tests.recorded import counted as read


@pytest.mark.parametrize(
    ("binding", "routing_key", "expected"),
    [
        ("feed.import", "feed.import", True),
        ("feed.import", "feed.export", False),
        ("feed.*", "feed.import", True),
        ("feed.*", "feed", False),
        ("feed.*", "feed.import.all", False),
        ("feed.#", "feed", True),
        ("feed.#", "feed.import.all", True),
        ("feed.#", "feeds.import", False),
        ("#.error", "a.b.error", True),
        ("#.error", "a.b.errors", False),
        ("*.b.#.z", "a.b.z", True),
        ("*.b.#.z", "a.b.c.d.z", True),
        ("*.b.#.z", "b.z", False),
        ("#", "", True),
        ("*", "", False),
        ("*.#.#", "a", True),
        ("a.#.b", "c.b", False),
        ("", "", False),
    ],
)
def test_topics_match_as_in_amqp(binding: str, routing_key: str, expected: bool) -> None:
    """A star is one word, a hash any number of them, none included."""
    assert matches(binding, routing_key) is expected


# A virtual exchange is known to be one of topics once its process has declared a queue of it.
SEND = """
from jobs_app import add
add.apply_async((1, 1), queue="feeds", routing_key="feed.import")
add.apply_async((1, 1), queue="feeds", routing_key="red.apple")
for exchange, key in ("topics", "feed.import.all"), ("topics", "feed.apple"), ("direct", "2"):
    add.apply_async((1, 1), exchange=exchange, routing_key=key)
add.apply_async((1, 1), exchange="direct", routing_key="both")
for exchange, key in ("direct", "video"), ("direct", "image"), ("topics", "media.x"):
    add.apply_async((1, 1), exchange=exchange, routing_key=key)
add.apply_async((1, 1), queue="one")
add.delay(1, 1)
"""


def test_worker_and_sender_name_the_queue_whose_binding_matches(
    broker: str, redis_url: str, tmp_path: Path
) -> None:
    """By topics, by plain keys and by each of several bindings; what goes to two queues is sent
    once, and is of neither one."""
    environ = environment(tmp_path / "numbers", broker, redis_url, EXCHANGES="1")
    with worker(environ, tmp_path, "-c", "1") as run:
        subprocess.run(adopted("-c", SEND), env=environ, cwd=tmp_path, timeout=60, check=True)
        counted = run.until(lambda now: settled(now, 13))

    attempts = {"feeds": 2, "fruit": 1, "_OTHER": 4, "two": 1, "shop": 1, "one": 1, "media": 3}
    assert counted.by("job.execution", "queue") == attempts
    assert counted.by("job.enqueued", "queue") == {**attempts, "_OTHER": 2}


def test_a_sender_tells_where_a_task_goes_without_a_worker(redis_url: str, tmp_path: Path) -> None:
    """By the options of a call and by routes; a key that no binding has leads to no queue."""
    environ = environment(tmp_path / "numbers", redis_url, redis_url, EXCHANGES="1")
    program = """
from jobs_app import add, app, fail
app.conf.task_routes = {"jobs_app.fail": {"exchange": "direct", "routing_key": "1"}}
with app.connection() as connection:
    for queue in app.amqp.queues.values():
        queue(connection.default_channel).declare()
for key in "1", "2", "2", "3":
    add.apply_async((1, 1), exchange="direct", routing_key=key)
add.apply_async((1, 1), routing_key="2")  # the default queue's exchange is direct
add.apply_async((1, 1), queue="feeds")
add.apply_async((1, 1), queue="one", routing_key="2")
fail.delay()
client = app.connection().default_channel.client
print({name: client.llen(name) for name in ("shop", "one", "two", "feeds")})
"""
    done = subprocess.run(
        adopted("-c", program),
        env=environ, cwd=tmp_path, timeout=60, check=True, capture_output=True,
    )  # fmt: skip

    at_broker = {"shop": 1, "one": 3, "two": 2, "feeds": 1}
    assert ast.literal_eval(done.stdout.decode()) == at_broker
    sent = read(tmp_path / "numbers").by("job.enqueued", "queue")
    assert sent == {**at_broker, "_OTHER": 1}
