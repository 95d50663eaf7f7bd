"""gunicorn's master tells how many workers it has and why each of them ended."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest

from monagent.integrations import _gunicorn_worker
from tests.e2e.command import until
from tests.workers.serving import SECONDS, Server, serving

BIND = ("-b", "127.0.0.1:{port}", "--log-level", "warning", "plain:wsgi")
GEVENT = pytest.param("gevent", marks=pytest.mark.slow)  # Its workers take seconds to end.
KINDS = ["sync", "gthread", GEVENT]
UVICORN = "uvicorn_worker.UvicornWorker"


def app(kind: str) -> str:
    """What workers of this kind serve."""
    if "aiohttp" in kind:
        return "with_aiohttp:make"
    return "plain:asgi" if kind in (UVICORN, "asgi") else "plain:wsgi"


def up(server: Server, workers: int) -> list[int]:
    """The pids of the workers, once so many serve."""
    server.becomes(workers, workers)
    until(lambda: len(server.children()) == workers, "workers")
    return server.children()


def leave(connections: list[socket.socket]) -> None:
    """A server may wait for its clients to close."""
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("kind", [*KINDS, UVICORN])
def test_a_worker_killed_by_force_is_replaced_and_counted_as_killed(
    kind: str, tmp_path: Path
) -> None:
    """Whatever kind it is."""
    with serving("gunicorn", tmp_path, "-w", "2", "-k", kind, *BIND[:-1], app(kind)) as server:
        victim, _ = up(server, 2)
        os.kill(victim, signal.SIGKILL)

        server.becomes(2, 3, killed=1)


def test_workers_are_counted_through_everything_a_master_is_told(tmp_path: Path) -> None:
    """More, fewer, a reload of them all, a worker asked to go, one that fails, the end."""
    with serving("gunicorn", tmp_path, "-w", "3", *BIND) as server:
        up(server, 3)
        server.signal(signal.SIGTTIN)
        server.becomes(4, 4)
        server.signal(signal.SIGTTOU)
        server.becomes(3, 4, exit=1)
        server.signal(signal.SIGHUP)
        server.becomes(3, 7, exit=4)
        os.kill(server.ask(), signal.SIGTERM)
        server.becomes(3, 8, exit=5)
        server.begin("/fail").close()
        server.becomes(3, 9, exit=5, error=1)
        server.signal(signal.SIGTERM)
        server.process.wait(SECONDS)

        server.becomes(0, 9, exit=8, error=1)


def test_many_workers_that_end_at_once_each_count(tmp_path: Path) -> None:
    """Those that end while the master looks after others, too."""
    with serving("gunicorn", tmp_path, "-w", "8", *BIND) as server:
        for worker in up(server, 8):
            os.kill(worker, signal.SIGKILL)

        server.becomes(8, 16, killed=8)


def test_a_worker_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    """The master aborts it, or kills it: not somebody else.

    A worker that begins must not take as long.
    """
    with serving("gunicorn", tmp_path, "-w", "1", "--timeout", "5", *BIND) as server:
        up(server, 1)
        with server.begin("/hang"):
            server.becomes(1, 2, timeout=1)


@pytest.mark.parametrize("kind", [*KINDS, UVICORN, "asgi", "aiohttp.GunicornWebWorker"])
def test_a_worker_that_has_served_its_requests_says_so(kind: str, tmp_path: Path) -> None:
    """And one that is asked to end meanwhile does not."""
    limit = ("--max-requests", "3", "-k", kind)
    with serving("gunicorn", tmp_path, "-w", "1", *limit, *BIND[:-1], app(kind)) as server:
        up(server, 1)
        first = [server.ask() for _ in range(4 if "aiohttp" in kind else 3)]
        server.becomes(1, 2, max_requests=1)
        second = server.ask()
        os.kill(second, signal.SIGTERM)
        server.becomes(1, 3, max_requests=1, exit=1)

    assert len(set(first)) == 1
    assert second not in first


def test_an_application_that_cannot_be_imported_ends_workers_by_an_error(tmp_path: Path) -> None:
    """The master gives up, too; it has counted before."""
    with serving("gunicorn", tmp_path, "-w", "1", *BIND[:-1], "none:app") as server:
        server.process.wait(SECONDS)

        server.becomes(0, 1, error=1)


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_each_accepted_connection_counts_once(kind: str, tmp_path: Path) -> None:
    """Not each request on it."""
    with serving("gunicorn", tmp_path, "-w", "1", "-k", kind, *BIND) as server:
        until(lambda: server.total("connections.accepted") == 1, "the connection of the start")
        for _ in range(5):
            server.ask()

        assert server.total("connections.accepted") == 6


def test_connections_that_nobody_takes_are_the_backlog(tmp_path: Path) -> None:
    """While the only worker works; none when it has taken them."""
    with serving("gunicorn", tmp_path, "-w", "1", *BIND) as server:
        up(server, 1)
        waiting = [server.begin("/wait") for _ in range(6)]
        until(lambda: server.total("backlog") == 5, "a backlog of 5")
        server.gate.touch()
        leave(waiting)
        until(lambda: server.total("backlog") == 0, "an empty backlog")


def test_busy_threads_and_what_waits_for_one_are_told(tmp_path: Path) -> None:
    """Of the pool of a threaded worker."""
    with serving("gunicorn", tmp_path, "--threads", "3", *BIND) as server:
        up(server, 1)
        waiting = [server.begin("/wait") for _ in range(5)]

        def told() -> list[float]:
            names = ("threads", "threads.busy", "threads.pending_requests")
            return [server.total(name) for name in names]

        until(lambda: told() == [3, 3, 2], "3 busy threads, 2 requests waiting")
        server.gate.touch()
        leave(waiting)
        until(lambda: told() == [3, 0, 0], "idle threads")


def test_a_worker_is_not_asked_for_its_dict() -> None:
    """An object whose `__dict__` was asked for is slower from then on; this one has none."""

    class Worker:
        __slots__ = ("__weakref__", "cfg", "keepalived_conns", "nr_conns", "tpool")

    worker: Any = Worker()
    worker.cfg = SimpleNamespace(threads=4)
    worker.keepalived_conns = (1, 2)
    worker.nr_conns = 6
    worker.tpool = SimpleNamespace(_work_queue=SimpleNamespace(qsize=lambda: 1))

    assert _gunicorn_worker.pool(ref(worker))() == (4, 3, 1)
