"""Starts programs, reads the CPU time of their process trees, ends them and all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks.variants import SETTINGS, Variant

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu(pid: int) -> float:
    """CPU seconds of a process and of its living descendants, to the nanosecond.

    The kernel's clock of another process, as clock_getcpuclockid(3) computes its number: /proc's
    utime counts in steps of 10 ms.
    """
    return sum(time.clock_gettime((~one << 3) | 2) for one in family(pid))


def family(pid: int) -> list[int]:
    """A process and its living descendants."""
    found = [pid]
    for one in found:
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{task}/children").read_text()
                found += map(int, children.split())
        except FileNotFoundError:
            continue
    return found


class Program:
    """A running program; `folder` is its own empty folder, `state` monagent's directory in it."""

    def __init__(self, variant: Variant, pid: int, folder: str, port: int) -> None:
        self.variant = variant
        self.pid = pid
        self.folder = folder
        self.port = port

    def endpoint(self) -> str:
        """URL of monagent's endpoint."""
        return wait_for(
            lambda: _text(f"{self.folder}/endpoint"), f"the endpoint of {self.variant.name}"
        )


@contextmanager
def running(
    variant: Variant, command: tuple[str, ...], environ: Mapping[str, str]
) -> Iterator[Program]:
    """Runs a command as the variant says, and ends it with all of its group."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        added = {
            key: value.format(port=free_port(), folder=folder)
            for key, value in {**environ, **variant.environ}.items()
        }
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [*variant.prefix, *(word.format(port=port) for word in command)],
                env={**clean(os.environ), **added},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield Program(variant, process.pid, folder, port)
            except BaseException:
                log.seek(0)
                print(log.read()[-3000:].decode(errors="replace"))
                raise
            finally:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if variant.ours:
            wait_for(lambda: not os.path.exists(f"{folder}/endpoint"), "the exporter's end")


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores, and so does this process."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the benchmark's settings of monagent, OpenTelemetry and Python alone.

    PYTHONDONTWRITEBYTECODE would have every start compile whatever has no bytecode yet.
    """
    settings = ("MONAGENT_", "OTEL_", "PYTHON")
    kept = {name: value for name, value in environ.items() if not name.startswith(settings)}
    return {**kept, **SETTINGS}


def listening(port: int) -> None:
    """Returns when something accepts connections on the port."""

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    wait_for(answers, f"a listener on port {port}")


def wait_for(found: Callable[[], T | None], what: str) -> T:
    """Polls until `found` gives something true, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        time.sleep(0.02)
    raise TimeoutError(f"{what} did not come within {PATIENCE:.0f} s")


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip() or None
    except FileNotFoundError:
        return None
