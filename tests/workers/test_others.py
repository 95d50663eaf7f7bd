"""hypercorn, granian and waitress tell of themselves as far as they know."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.e2e.command import until
from tests.workers.serving import SECONDS, serving


def test_hypercorns_workers_are_counted_through_a_reload_and_a_kill(tmp_path: Path) -> None:
    """It gives up when a worker has failed."""
    bind = ("-w", "2", "-b", "127.0.0.1:{port}", "--log-level", "warning", "plain:asgi")
    with serving("hypercorn", tmp_path, *bind) as server:
        server.becomes(2, 2)
        victim = server.ask()
        server.signal(signal.SIGHUP)
        server.becomes(2, 4, exit=2)
        until(lambda: server.ask() != victim, "another worker")
        os.kill(server.ask(), signal.SIGKILL)
        server.process.wait(SECONDS)

        # The parent does not wait for the other worker when it gives up.
        assert server.exits() in [{"exit": 2.0, "killed": 1.0}, {"exit": 3.0, "killed": 1.0}]


def test_hypercorns_backlog_and_connections_are_told(tmp_path: Path) -> None:
    """Its parent holds the socket."""
    bind = ("-w", "1", "-b", "127.0.0.1:{port}", "--log-level", "warning", "plain:asgi")
    with serving("hypercorn", tmp_path, *bind) as server:
        until(lambda: server.total("connections.accepted") == 1, "the connection of the start")
        first = server.busy()
        waiting = [server.begin("/pid") for _ in range(4)]
        until(lambda: server.total("backlog") == 4, "a backlog of 4")
        server.gate.touch()
        until(lambda: server.total("connections.accepted") == 6, "all connections")
        until(lambda: server.total("backlog") == 0, "an empty backlog")
        for connection in (first, *waiting):
            connection.close()


def test_granians_workers_are_counted_through_a_kill_and_a_reload(tmp_path: Path) -> None:
    """Told to respawn them."""
    options = ("--respawn-failed-workers", "--respawn-interval", "0.1", "--log-level", "warning")
    command = ("--workers", "2", "--port", "{port}", "--interface", "asginl", *options)
    with serving("granian", tmp_path, *command, "plain:asgi") as server:
        server.becomes(2, 2)
        os.kill(server.ask(), signal.SIGKILL)
        server.becomes(2, 3, killed=1)
        server.signal(signal.SIGHUP)
        server.becomes(2, 5, killed=1, exit=2)
        server.signal(signal.SIGTERM)
        server.process.wait(SECONDS)

        server.becomes(0, 5, killed=1, exit=4)


def test_waitress_tells_its_threads_and_what_waits_for_one(tmp_path: Path) -> None:
    """Three threads, five requests that wait for a file."""
    command = ("--listen", "127.0.0.1:{port}", "--threads", "3", "plain:wsgi")
    with serving("waitress", tmp_path, *command) as server:
        until(lambda: server.total("connections.accepted") == 1, "the connection of the start")
        waiting = [server.begin("/wait") for _ in range(5)]

        def told() -> list[float]:
            names = ("threads", "threads.busy", "threads.pending_requests")
            return [server.total(name) for name in names]

        until(lambda: told() == [3, 3, 2], "3 busy threads, 2 requests waiting")
        assert server.total("connections.accepted") == 6
        server.gate.touch()
        until(lambda: told() == [3, 0, 0], "idle threads")
        for connection in waiting:
            connection.close()
