"""Runs Celery commands with monagent, and reads what all their processes counted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.recorded import Counted, counted

APPS = Path(__file__).parent / "apps"
DEADLINE = 60.0


def until(happened: Callable[[], bool], what: Callable[[], str], seconds: float = DEADLINE) -> None:
    """Waits for an event; raises AssertionError with `what()` when it does not come."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@dataclass
class Running:
    """A command with monagent: its process, the directory of its numbers, what it wrote."""

    process: subprocess.Popen[bytes]
    directory: Path
    output: Path

    def counted(self, live_only: bool = False) -> Counted:
        """What its processes have counted."""
        return counted(self.directory, live_only)

    def until(self, happened: Callable[[Counted], bool], seconds: float = DEADLINE) -> Counted:
        """Waits until the numbers are such, and returns them."""
        last = self.counted()

        def came() -> bool:
            nonlocal last
            last = self.counted()
            return happened(last)

        until(came, lambda: f"{self.output.read_text()}\n{last}", seconds)
        return last


def environment(directory: Path, broker: str, backend: str, **more: str) -> dict[str, str]:
    """Variables with which a program records into `directory`."""
    return {
        **os.environ,
        "PYTHONPATH": str(APPS),
        "MONAGENT_DIR": str(directory),
        "MONAGENT_EXPORTER": "off",
        "BROKER": broker,
        "BACKEND": backend,
        **more,
    }


def adopted(*command: str) -> list[str]:
    """`monagent run -- python command…`."""
    return [sys.executable, "-m", "monagent", "run", "--", sys.executable, *command]


@contextlib.contextmanager
def running(
    command: list[str], environ: dict[str, str], tmp_path: Path, *, ready: str = ""
) -> Iterator[Running]:
    """Runs a command until the block ends, then ends it warmly. `ready`: what it writes first."""
    output = tmp_path / f"output-{time.monotonic_ns()}"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=tmp_path,
            env=environ,
            start_new_session=True,
        )
    run = Running(process, Path(environ["MONAGENT_DIR"]), output)
    try:
        until(
            lambda: ready in output.read_text("utf-8", "replace") or process.poll() is not None,
            lambda: f"{command} did not become ready:\n{output.read_text()}",
        )
        assert process.poll() is None or not ready, output.read_text()
        yield run
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def worker(environ: dict[str, str], tmp_path: Path, *options: str) -> Iterator[Running]:
    """A worker of the application that has said that it is ready."""
    command = adopted("-m", "celery", "-A", "jobs_app", "worker", "-l", "INFO", *options)
    with running(command, environ, tmp_path, ready="ready.") as run:
        yield run
