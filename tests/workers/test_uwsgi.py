"""uWSGI's workers tell of themselves, since its master is no Python program."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.command import until
from tests.workers.serving import serving

UWSGI = Path(sys.executable).with_name("uwsgi")
COMMAND = (
    *("--http-socket", "127.0.0.1:{port}", "--module", "with_flask:app", "--need-app"),
    *("--virtualenv", sys.prefix, "--die-on-term", "--disable-logging"),
)

pytestmark = pytest.mark.skipif(
    not UWSGI.exists(), reason="uWSGI is not installed: pip install uwsgi"
)


@pytest.mark.parametrize("more", [(), ("--lazy-apps",), ("--enable-threads", "--threads", "2")])
def test_workers_are_counted_through_a_kill(more: tuple[str, ...], tmp_path: Path) -> None:
    """Nobody says why one ended, only that it has a successor."""
    command = (*COMMAND, "--master", "--processes", "2", *more)
    with serving("uwsgi", tmp_path, *command) as server:
        server.becomes(2, 2)
        victim = server.ask()
        os.kill(victim, signal.SIGKILL)
        server.becomes(2, 3, unknown=1)
        assert server.ask() != victim


def test_a_reload_has_workers_of_its_own(tmp_path: Path) -> None:
    """uWSGI executes itself anew, and those before it have no successors."""
    with serving("uwsgi", tmp_path, *COMMAND, "--master", "--processes", "2") as server:
        server.becomes(2, 2)
        server.ask()
        server.signal(signal.SIGHUP)
        server.becomes(2, 4)


def test_a_worker_without_a_master_is_one(tmp_path: Path) -> None:
    """The only process there is."""
    with serving("uwsgi", tmp_path, *COMMAND) as server:
        server.becomes(1, 1)
        assert server.ask() == server.process.pid


def test_what_waits_in_its_socket_is_told(tmp_path: Path) -> None:
    """While its only worker is busy."""
    with serving("uwsgi", tmp_path, *COMMAND, "--enable-threads") as server:
        server.ask()
        first = server.busy()
        waiting = [server.begin("/pid") for _ in range(3)]
        until(lambda: server.total("backlog") == 3, "a backlog of 3", 10)
        server.gate.touch()
        until(lambda: server.total("backlog") == 0, "an empty backlog", 10)
        for connection in (first, *waiting):
            connection.close()
