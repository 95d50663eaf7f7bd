"""A Celery worker and its client in one process: a task is sent, received, run and told."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import os
import sys
import threading
import time

from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("bench", broker="memory://", backend="cache+memory://")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    broker_transport_options={"polling_interval": 0.01},
)
_run = [0, 0]  # tasks run, tasks to run
_all = threading.Event()


@app.task(name="bench.job")
def job() -> None:
    _run[0] += 1
    if _run[0] == _run[1]:
        _all.set()


def run(times: int) -> None:
    """Sends so many tasks and returns when all have run."""
    _all.clear()
    _run[:] = [0, times]
    for _ in range(times):
        job.delay()
    _all.wait()


if __name__ == "__main__":
    times = int(sys.argv[1])
    with start_worker(app, pool="solo", loglevel="ERROR", perform_ping_check=False):
        run(times // 10)
        begun = time.process_time()
        run(times)
        print((time.process_time() - begun) / times, flush=True)
        os._exit(0)  # A worker takes seconds to stop.
