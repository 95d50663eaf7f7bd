"""What the endpoint shows of Celery changes on purpose only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import golden as goldens
from tests.celery.running import APPS
from tests.e2e.command import running, until

SEND = """
import jobs_app
jobs_app.flaky.delay(1, 0).get(timeout=30)
jobs_app.app.send_task("nobody.knows")
"""


def test_names_and_labels_of_celery_change_on_purpose_only(
    redis_url: str, tmp_path: Path, golden: goldens.Golden
) -> None:
    """A worker with its beat, a task that is retried, one that nobody knows."""
    environ = {
        "PYTHONPATH": str(APPS),
        "BROKER": redis_url,
        "BACKEND": redis_url,
        "MONAGENT_LOG_LEVEL": "warning",
    }
    command = (
        *(sys.executable, "-m", "celery", "-A", "jobs_app", "worker", "-c", "1"),
        *("-B", "-s", str(tmp_path / "schedule")),
    )
    with running(command, tmp_path, environ=environ) as run:
        client = [sys.executable, "-m", "monagent", "run", "--port", "0", "--"]
        subprocess.run(
            [*client, sys.executable, "-c", SEND],
            env={**os.environ, **environ},
            cwd=tmp_path,
            timeout=60,
            check=True,
        )

        until(lambda: run.scrape().total("worker_errors_total") > 0, "the unknown task", 30)
        until(lambda: "job_schedule_missed_total{" in run.text(), "the schedule", 30)
        until(lambda: "job_wait_duration_seconds_count{" in run.text(), "a run of beat's", 30)
        until(lambda: "job_queue_oldest_age_seconds{" in run.text(), "the queue's size", 30)
        golden("celery", run.text, "job_", "worker_")
