"""Workers come and go under load, by force and by order: no series ever goes down, nothing is lost.

MONAGENT_SOAK=seconds makes the storm last longer than the few seconds of a test run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.command import Labels, Scrape, running, until
from tests.e2e.load import Outcome, drive, gets
from tests.ports import free_port

SECONDS = float(os.environ.get("MONAGENT_SOAK", "12"))
CONNECTIONS = 8


class Watch:
    """Holds each scrape against the one before."""

    def __init__(self) -> None:
        self.before: dict[str, dict[Labels, float]] = {}
        self.count = 0

    def look(self, scrape: Scrape) -> None:
        """Asserts that no cumulative series fell or vanished, and that buckets are cumulative."""
        for name, series in self.before.items():
            if name in scrape.cumulative:
                for labels, value in series.items():
                    now = scrape.samples.get(name, {}).get(labels)
                    assert now is not None, f"{name}{dict(labels)} vanished"
                    assert now >= value, f"{name}{dict(labels)} fell from {value} to {now}"
        for name, series in scrape.samples.items():
            if name.endswith("_bucket"):
                self._buckets(name, series, scrape.samples[name.replace("_bucket", "_count")])
        self.before = scrape.samples
        self.count += 1

    @staticmethod
    def _buckets(name: str, series: dict[Labels, float], counts: dict[Labels, float]) -> None:
        ladders: dict[Labels, list[tuple[float, float]]] = {}
        for labels, value in series.items():
            (edge,) = (part for part in labels if part[0] == "le")
            ladders.setdefault(labels - {edge}, []).append((float(edge[1]), value))
        for labels, ladder in ladders.items():
            heights = [height for _, height in sorted(ladder)]
            assert heights == sorted(heights), f"{name}{dict(labels)} is not cumulative"
            assert heights[-1] == counts[labels], f"{name}{dict(labels)}: +Inf is not the count"


@pytest.mark.parametrize("worker", ["gthread", "uvicorn_worker.UvicornWorker"])
def test_totals_survive_killed_and_recycled_workers(worker: str, tmp_path: Path) -> None:
    """Load with `--max-requests 200`, a worker killed each second, SIGHUP, SIGTTIN, SIGTTOU."""
    port = free_port()
    app = "wsgi_flask:app" if worker == "gthread" else "asgi_fastapi:app"
    command = [
        *(sys.executable, "-m", "gunicorn", "-w", "4", "-k", worker, "-b", f"127.0.0.1:{port}"),
        *("--max-requests", "200", "--log-level", "critical", app),
    ]
    seen: list[Outcome] = []
    failures: list[BaseException] = []
    stop = threading.Event()
    killed: set[int] = set()
    state = tmp_path / "state"
    environ = {"MONAGENT_DIR": str(state)}

    def load() -> None:
        while not stop.is_set():
            seen.append(drive(port, gets(200, "/hello/a", "/missing"), CONNECTIONS))

    with running(command, tmp_path, ready=port, environ=environ) as run:
        watch = Watch()

        def look() -> None:
            try:
                while not stop.is_set():
                    watch.look(run.scrape())
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=load), threading.Thread(target=look)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + SECONDS
        while (time.monotonic() < end or watch.count <= 10) and not failures:
            stop.wait(1)
            # Those that have not recorded yet have nothing to lose, and nothing to fold.
            recording = {int(file.name.partition("-")[0]) for file in state.glob("*.shard")}
            if victims := sorted(recording & {*run.children()}):
                child = random.choice(victims)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    killed.add(child)
            order = random.choice([signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, None, None])
            if order is not None:
                run.process.send_signal(order)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures, failures
        answered = sum(one.answered for one in seen)
        unknown = sum(one.unknown for one in seen)
        until(lambda: run.scrape().total("http_server_active_requests") == 0, "idle workers")
        folded = "monagent_shards_folded_total"
        until(lambda: run.scrape().total(folded) >= len(killed), "the numbers of the dead")
        last = run.settled(answered - len(killed) * CONNECTIONS)
        watch.look(last)

    # A killed worker may have answered and not yet counted, and may have counted what the client
    # never heard of: at most the requests in flight in it, either way.
    assert answered - len(killed) * CONNECTIONS <= last.requests <= answered + unknown
    assert last.total("http_server_active_requests") == 0
