"""Starts real servers under monagent and reads what was recorded about themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.e2e.command import until
from tests.ports import free_port, listening
from tests.recorded import Counted, counted

APPS = Path(__file__).with_name("apps")
SECONDS = 60.0
MODULES = {"gunicorn": "gunicorn.app.wsgiapp"}  # 20 has no __main__.
PROGRAMS = frozenset(("uwsgi",))  # not of Python


@dataclass
class Server:
    """A running server: the process that supervises it, its port, where it records."""

    process: subprocess.Popen[bytes]
    name: str
    port: int
    state: Path
    gate: Path

    def counted(self) -> Counted:
        """All that was recorded until now."""
        return counted(self.state)

    def total(self, metric: str) -> float:
        """A metric of this server."""
        return self.counted().total(f"http.server.{metric}", server=self.name)

    def alive(self) -> float:
        """Workers alive, by what processes say that are alive."""
        living = counted(self.state, live_only=True)
        return living.total("http.server.workers", server=self.name)

    def exits(self) -> dict[str, float]:
        """Workers that ended, by reason."""
        return self.counted().by("http.server.worker.exits", "reason", server=self.name)

    def facts(self) -> dict[str, object]:
        """Workers alive, started, ended by reason."""
        return {
            "alive": self.alive(),
            "started": self.total("worker.starts"),
            "ended": self.exits(),
        }

    def becomes(self, alive: int, started: int, **ended: int) -> None:
        """Waits for these facts."""
        wanted = {"alive": alive, "started": started, "ended": ended}
        try:
            until(lambda: self.facts() == wanted, "", SECONDS)
        except AssertionError:
            assert self.facts() == wanted, self.facts()

    def children(self) -> list[int]:
        """The workers as the system knows them: processes below that listen or shall."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in found if _is_worker(int(child))]

    def signal(self, number: int) -> None:
        """To the supervisor."""
        self.process.send_signal(number)

    def ask(self, path: str = "/pid") -> int:
        """One request over a connection of its own; gives the pid that answered."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as asked:
            asked.request("GET", path)
            return int(asked.getresponse().read())

    def begin(self, path: str) -> socket.socket:
        """A request whose answer is not waited for."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection

    def busy(self) -> socket.socket:
        """As `begin("/wait")`, but a worker is at it."""
        begun = self.begin("/wait")
        until(lambda: bool(list(self.gate.parent.glob("gate.*"))), "a busy worker", SECONDS)
        return begun


def _is_worker(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"resource_tracker" not in command


@contextlib.contextmanager
def serving(name: str, tmp_path: Path, *arguments: str, cwd: Path = APPS) -> Iterator[Server]:
    """`python -m name`, or the program of that name, with the arguments, in which `{port}` stands
    for a free port, until the block ends; it serves when the block begins."""
    port = free_port()
    state, gate, output = tmp_path / "state", tmp_path / "gate", tmp_path / "output"
    state.mkdir(mode=0o700)
    run = [sys.executable, "-m", "monagent", "run", "--"]
    program = Path(sys.executable).with_name(name)
    run += [str(program)] if name in PROGRAMS else [sys.executable, "-m", MODULES.get(name, name)]
    environ = {"MONAGENT_DIR": str(state), "MONAGENT_EXPORTER": "off", "GATE": str(gate)}
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [*run, *(argument.format(port=port) for argument in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=cwd,
            env={**os.environ, **environ},
            start_new_session=True,
        )
    try:
        until(lambda: listening(port) or process.poll() is not None, f"{name}", SECONDS)
        yield Server(process, name, port, state, gate)
    finally:
        gate.touch()
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    said = output.read_text(errors="replace")
    assert "monagent:" not in said.replace("monagent: metrics", ""), said
