"""Waiting is what a task waited for a worker: no wanted delay, no difference of clocks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from time import monotonic, time

import pytest

from monagent.conventions import _sent
from tests.celery.running import adopted, environment, worker

NOW = 1_700_000_000.0


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clocks stand."""
    monkeypatch.setattr(_sent, "time", lambda: NOW)
    monkeypatch.setattr(_sent, "monotonic", lambda: 1000.0)


def at(ago: float, boot: str = "elsewhere", ticks: float = 0.0) -> _sent.Sent:
    """A message sent so long ago by the clock of another machine."""
    return NOW - ago, boot, ticks


def test_a_stamp_tells_its_sender_and_both_of_its_clocks() -> None:
    """What was written is read again; anything else is no stamp."""
    before = time()
    found = _sent.read(_sent.stamp())

    assert found is not None
    assert before - 1e-6 <= found[0] <= time()
    assert found[1] == _sent.BOOT
    assert found[2] <= monotonic()
    assert [_sent.read(text) for text in (None, "", "an-id", "monagent/1/2", "monagent/x/y/z")] == (
        [None] * 5
    )


@pytest.mark.usefixtures("still")
def test_on_one_machine_a_step_of_the_clock_changes_no_age() -> None:
    """The sender's time of day was an hour ahead; its monotonic clock is ours."""
    sent = NOW + 3600, _sent.BOOT, 998.0

    assert _sent.Clock().age(sent, idle=False) == 2


@pytest.mark.usefixtures("still")
def test_a_message_from_the_future_teaches_that_its_clock_is_ahead() -> None:
    """Never negative, and later messages of that machine are older than they seem."""
    clock = _sent.Clock()

    assert clock.age(at(-5), idle=False) == 0
    assert clock.age(at(-3), idle=False) == 2
    assert clock.age(at(3, boot="third"), idle=False) == 3


@pytest.mark.usefixtures("still")
def test_an_idle_worker_learns_the_difference_of_clocks() -> None:
    """What an idle worker gets has not waited: an hour's age is the sender's clock."""
    clock = _sent.Clock()

    assert clock.age(at(3600), idle=True) == 0
    assert clock.age(at(3610), idle=False) == 10
    assert clock.age(at(3500), idle=False) == 0


def test_a_delay_that_was_asked_for_is_not_waiting(
    broker: str, redis_url: str, tmp_path: Path
) -> None:
    """Two tasks that share one process: the second waits for the first, a countdown waits not."""
    environ = environment(tmp_path / "numbers", broker, redis_url)
    program = """
from jobs_app import add, fail, flaky, slow
delayed = add.apply_async((1, 1), countdown=4)
retried = flaky.delay(1, 4)
delayed.get(timeout=30), retried.get(timeout=30)
first, second = slow.delay(4), fail.delay()
first.get(timeout=30), second.get(timeout=30, propagate=False)
"""
    with worker(environ, tmp_path, "-c", "1") as run:
        subprocess.run(adopted("-c", program), env=environ, cwd=tmp_path, timeout=90, check=True)
        counted = run.until(lambda now: now.total("job.execution") == 5)

    assert counted.total("job.wait.duration") == 5
    assert counted.total("job.wait.duration.sum", job_type="jobs_app.add") < 4
    assert counted.total("job.wait.duration.sum", job_type="jobs_app.flaky") < 4
    assert counted.total("job.wait.duration.sum", job_type="jobs_app.fail") > 1
