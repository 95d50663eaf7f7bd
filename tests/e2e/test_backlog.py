"""Connections that wait for a server, on its endpoint, and no thread of ours in it for that."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from tests.e2e.command import running, until
from tests.ports import free_port

APPS = Path(__file__).resolve().parents[1] / "workers" / "apps"


def test_a_server_of_one_thread_stays_one_and_its_backlog_is_told(tmp_path: Path) -> None:
    """While its loop is blocked."""
    port, gate = free_port(), tmp_path / "gate"
    command = [sys.executable, "-m", "uvicorn", "--loop", "asyncio"]
    command += ["--port", str(port), "plain:asgi"]
    environ = {"GATE": str(gate)}

    def begin(path: str) -> socket.socket:
        begun = socket.create_connection(("127.0.0.1", port), timeout=60)
        begun.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return begun

    with running(command, tmp_path, ready=port, cwd=APPS, environ=environ) as server:
        connections = [begin("/wait")]
        pid = server.process.pid
        until(lambda: bool(list(tmp_path.glob("gate.*"))), "a blocked loop")
        connections += [begin("/pid") for _ in range(3)]
        until(
            lambda: server.scrape().total("http_server_backlog", server="uvicorn") == 3,
            "a backlog of 3",
        )
        gate.touch()
        for one in connections:
            assert one.recv(100).startswith(b"HTTP/1.1 200")
            one.close()
        until(
            lambda: server.scrape().total("http_server_backlog", server="uvicorn") == 0,
            "an empty backlog",
        )
        assert 'http_server_backlog{server="uvicorn"} 0' in server.text()
        assert os.listdir(f"/proc/{pid}/task") == [str(pid)]
