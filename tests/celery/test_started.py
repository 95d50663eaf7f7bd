"""Workers that leave their terminal count like those that stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.celery.running import adopted, environment, until
from tests.recorded import counted

START = {
    "detached": (
        ("-m", "celery", "-A", "jobs_app", "worker", "--detach", "-c", "2"),
        ("--pidfile", "{}/one.pid", "--logfile", "{}/one.log"),
    ),
    "multi": (
        ("-m", "celery", "-A", "jobs_app", "multi", "start", "one", "-c", "2"),
        ("--pidfile={}/%n.pid", "--logfile={}/%n.log"),
    ),
}


@pytest.mark.parametrize("way", START)
def test_a_worker_in_the_background_counts(way: str, redis_url: str, tmp_path: Path) -> None:
    """`--detach` and `celery multi`: the command returns, its worker's tasks are counted."""
    command, files = START[way]
    numbers = tmp_path / "numbers"
    environ = environment(numbers, redis_url, redis_url)
    pidfile = tmp_path / "one.pid"
    send = "import jobs_app; print([jobs_app.add.delay(n, n).get(timeout=30) for n in range(5)])"

    try:
        subprocess.run(
            adopted(*command, *(file.format(tmp_path) for file in files)),
            env=environ,
            cwd=tmp_path,
            timeout=60,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        done = subprocess.run(
            [sys.executable, "-c", send],
            env=environ,
            cwd=tmp_path,
            timeout=60,
            check=True,
            capture_output=True,
        )
        # The client has a result before the worker has counted.
        until(
            lambda: counted(numbers).total("job.execution", status="success") >= 5,
            lambda: f"five tasks are not counted: {counted(numbers)}",
        )
        seen = counted(numbers)
    finally:
        if pidfile.exists():
            worker = int(pidfile.read_text())
            os.kill(worker, 15)
            until(lambda: not os.path.exists(f"/proc/{worker}"), lambda: "the worker stays")

    assert done.stdout == b"[0, 2, 4, 6, 8]\n"
    assert seen.total("job.execution", status="success") == 5
    assert seen.total("worker.active") == 2
