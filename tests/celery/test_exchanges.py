"""A task sent by exchange and routing key has the name of the queue that it goes to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from monagent.integrations._celery_queues import matches
from tests.celery.running import adopted, environment, worker
from tests.celery.test_states import settled


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
add.apply_async((1, 1), queue="one")
add.delay(1, 1)
"""


def test_a_worker_names_the_queue_whose_binding_matches(
    broker: str, redis_url: str, tmp_path: Path
) -> None:
    """By topics and by plain keys; what went to two queues is two jobs, and of neither one."""
    environ = environment(tmp_path / "numbers", broker, redis_url, EXCHANGES="1")
    with worker(environ, tmp_path, "-c", "1") as run:
        subprocess.run(adopted("-c", SEND), env=environ, cwd=tmp_path, timeout=60, check=True)
        counted = run.until(lambda now: settled(now, 8))

    attempts = {"feeds": 2, "fruit": 1, "_OTHER": 2, "two": 1, "shop": 1, "one": 1}
    assert counted.by("job.execution", "queue") == attempts
