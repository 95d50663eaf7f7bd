"""Runs Celery commands with monagent, and reads what all their processes, ended ones too, counted.

The numbers are read from the shards, without an exporter: they stay in the directory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from monagent.store.layout import Foreign, Nascent
from monagent.store.reader import ShardFile, scan

APPS = Path(__file__).parent / "apps"
DEADLINE = 60.0


def until(happened: Callable[[], bool], what: Callable[[], str], seconds: float = DEADLINE) -> None:
    """Waits for an event; raises AssertionError with `what()` when it does not come."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@dataclass(frozen=True)
class Counted:
    """All series: (metric, labels) → value; for a histogram its count, with `.sum` beside."""

    series: dict[tuple[str, frozenset[tuple[str, object]]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the series that carry these labels."""
        return sum(
            value
            for (metric, have), value in self.series.items()
            if metric == name and labels.items() <= dict(have).items()
        )

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Sums by the values of a label, without those that are 0."""
        found: dict[str, float] = defaultdict(float)
        for (metric, have), value in self.series.items():
            has = dict(have)
            if metric == name and labels.items() <= has.items():
                found[str(has.get(label, ""))] += value
        return {key: value for key, value in found.items() if value}


def counted(directory: Path, live_only: bool = False) -> Counted:
    """What stands in all shards; gauges show their largest value."""
    series: dict[tuple[str, frozenset[tuple[str, object]]], float] = defaultdict(float)
    for path in scan(str(directory)):
        try:
            shard = ShardFile.open(path)
        except (Foreign, Nascent, OSError):
            continue
        if not live_only or shard.alive():
            values = shard.values()
            for one in shard.series:
                key = one.instrument.name, frozenset(one.attributes.items())
                cells = values[one.index : one.index + one.width]
                if one.instrument.kind == "histogram":
                    series[key] += sum(cells[1:])
                    series[one.instrument.name + ".sum", key[1]] += cells[0]
                elif one.instrument.kind == "gauge":
                    series[key] = max(series[key], cells[0])
                else:
                    series[key] += cells[0]
        shard.close()
    return Counted(dict(series))


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
            lambda: ready in output.read_text() or process.poll() is not None,
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
