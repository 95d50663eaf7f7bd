"""Connections that wait for a server, on its endpoint, and no thread of ours in it for that."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("interface", ["asginl", "wsgi"])
def test_what_granian_does_not_take_is_told(interface: str, tmp_path: Path) -> None:
    """Its workers open their sockets in Rust, and take no more connections than they may have."""
    port, gate = free_port(), tmp_path / "gate"
    command = [sys.executable, "-m", "granian", "--interface", interface, "--port", str(port)]
    command += ["--workers", "1", "--backpressure", "1", "--log-level", "warning"]
    command += ["plain:wsgi" if interface == "wsgi" else "plain:asgi"]

    with (
        running(command, tmp_path, ready=port, cwd=APPS, environ={"GATE": str(gate)}) as server,
        contextlib.ExitStack() as stack,
    ):

        def begin(path: str) -> None:
            begun = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            begun.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

        def waits(number: int) -> None:
            def told() -> bool:
                return server.scrape().total("http_server_backlog", server="granian") == number

            until(told, f"a backlog of {number}")

        until(lambda: 'http_server_backlog{server="granian"} 0' in server.text(), "a series")
        begin("/wait")
        until(lambda: bool(list(tmp_path.glob("gate.*"))), "a busy worker")
        for _ in range(4):
            begin("/pid")
        waits(4)
        server.process.send_signal(signal.SIGTERM)
        gate.touch()
