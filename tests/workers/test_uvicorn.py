"""uvicorn's parent tells of its workers, whether it supervises them or reloads one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.e2e.command import until
from tests.workers.serving import APPS, SECONDS, serving

PORT = ("--port", "{port}", "--log-level", "warning", "plain:asgi")


def test_workers_are_counted_through_everything_a_parent_is_told(tmp_path: Path) -> None:
    """More, fewer, all anew, one killed by force, the end."""
    with serving("uvicorn", tmp_path, "--workers", "2", *PORT) as server:
        server.becomes(2, 2)
        os.kill(server.ask(), signal.SIGKILL)
        server.becomes(2, 3, killed=1)
        server.signal(signal.SIGTTIN)
        server.becomes(3, 4, killed=1)
        server.signal(signal.SIGTTOU)
        server.becomes(2, 4, killed=1, exit=1)
        server.begin("/fail").close()
        server.becomes(2, 5, killed=1, exit=1, error=1)
        server.signal(signal.SIGHUP)
        server.becomes(2, 7, killed=1, exit=3, error=1)
        server.signal(signal.SIGTERM)
        server.process.wait(SECONDS)

        server.becomes(0, 7, killed=1, exit=5, error=1)


def test_a_worker_that_does_not_answer_is_a_timeout(tmp_path: Path) -> None:
    """The parent kills it: a stopped process cannot answer. One that begins can neither, for a
    while, and gets the time that it takes."""
    check = ("--timeout-worker-healthcheck", "5", "--workers", "2")
    with serving("uvicorn", tmp_path, *check, *PORT) as server:
        server.becomes(2, 2)
        os.kill(server.ask(), signal.SIGSTOP)

        server.becomes(2, 3, timeout=1)


def test_a_worker_that_has_served_its_requests_is_told_from_one_that_is_asked_to_end(
    tmp_path: Path,
) -> None:
    """Both end in order."""
    limit = ("--limit-max-requests", "1", "--workers", "2")
    with serving("uvicorn", tmp_path, *limit, *PORT) as server:
        server.becomes(2, 2)
        server.ask()
        server.becomes(2, 3, max_requests=1)
        server.signal(signal.SIGHUP)
        server.becomes(2, 5, max_requests=1, exit=2)


def test_each_reload_ends_a_process_and_starts_another(tmp_path: Path) -> None:
    """Edited once."""
    shutil.copy(APPS / "plain.py", tmp_path / "plain.py")
    with serving("uvicorn", tmp_path, "--reload", *PORT, cwd=tmp_path) as server:
        server.becomes(1, 1)
        for number in range(30):  # It begins to look for edits at some time.
            (tmp_path / "plain.py").write_text(f"{(APPS / 'plain.py').read_text()}# {number}\n")
            with contextlib.suppress(AssertionError):
                until(lambda: server.total("worker.starts") >= 2, "a reload", 2)
                break
        found: dict[str, Any] = {}

        def at_rest() -> bool:  # A second edit may have been seen as well.
            found.update(server.facts())
            return bool(found == {**found, "alive": 1, "ended": {"exit": found["started"] - 1}})

        until(at_rest, f"one process, and the end of all before it: {found}")

        assert found["started"] >= 2


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_each_accepted_connection_counts_once(http: str, tmp_path: Path) -> None:
    """Of either protocol implementation; there is no worker to tell of."""
    with serving("uvicorn", tmp_path, "--http", http, *PORT) as server:
        until(lambda: server.total("connections.accepted") == 1, "the connection of the start")
        for _ in range(5):
            server.ask()

        assert server.total("connections.accepted") == 6
        assert server.facts() == {"alive": 0, "started": 0, "ended": {}}


@pytest.mark.parametrize("loop", [pytest.param("asyncio", marks=pytest.mark.slow), "uvloop"])
def test_connections_that_wait_for_a_blocked_loop_are_the_backlog(
    loop: str, tmp_path: Path
) -> None:
    """Told while it is blocked."""
    with serving("uvicorn", tmp_path, "--loop", loop, *PORT) as server:
        first = server.busy()
        waiting = [server.begin("/pid") for _ in range(4)]
        until(lambda: server.total("backlog") == 4, "a backlog of 4")
        server.gate.touch()
        for connection in (first, *waiting):
            connection.close()
        until(lambda: server.total("backlog") == 0, "an empty backlog")


@pytest.mark.swallows
def test_a_worker_is_ended_whatever_of_ours_fails(
    swallowed: list[tuple[str, BaseException]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What supervisors call to end one."""
    from monagent.conventions import http_workers
    from monagent.integrations import _uvicorn_workers

    def fail(_: int) -> None:
        raise KeyError("sabotage")

    monkeypatch.setattr(http_workers, "asked", fail)
    ended: list[object] = []
    worker = SimpleNamespace(process=SimpleNamespace(pid=1))

    _uvicorn_workers.terminating(ended.append)(worker)

    assert ended == [worker]
    assert len(swallowed) == 1
