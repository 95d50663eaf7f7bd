"""Starts programs, reads the CPU time of their process trees, ends them and all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from benchmarks.variants import SETTINGS, Variant
from monagent.store.directory import ENDPOINT, home, places
from monagent.store.process import start_ticks

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
    """A running program; `folder` is its own empty folder, `states` are as `states` has them."""

    def __init__(self, variant: Variant, pid: int, folder: str, port: int) -> None:
        self.variant = variant
        self.pid = pid
        self.folder = folder
        self.port = port
        self.states = states(pid)

    def endpoint(self) -> str:
        """URL of monagent's endpoint."""
        return wait_for(
            lambda: next(filter(None, (_text(f"{one}/{ENDPOINT}") for one in self.states)), None),
            f"the endpoint of {self.variant.name}",
        )


def states(pid: int) -> list[str]:
    """Where the state directory of a tree may be that begins with this process, not waited for yet.

    The benchmark names none: a variable more would be no cost of monagent's.
    """
    name = f"{pid}-{start_ticks(pid)}"
    return [f"{home(place)}/{name}" for place in places(os.environ)]


def exporter_ended(states: Iterable[str]) -> None:
    """Returns when no exporter serves them any more."""
    wait_for(
        lambda: not any(os.path.exists(f"{state}/{ENDPOINT}") for state in states),
        "the exporter's end",
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
            program = Program(variant, process.pid, folder, port)
            try:
                yield program
            except BaseException:
                log.seek(0)
                print(log.read()[-3000:].decode(errors="replace"))
                raise
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                with suppress(ProcessLookupError):  # Nobody is left.
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if variant.ours:
            exporter_ended(program.states)


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
