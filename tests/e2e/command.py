"""Starts commands under `monagent run` and reads their endpoint, as an operator would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.ports import free_port, listening

APPS = Path(__file__).parent / "apps"
DEADLINE = 60.0
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

Labels = frozenset[tuple[str, str]]


def until(
    happened: Callable[[], bool],
    what: str,
    seconds: float = DEADLINE,
    written: Path | None = None,
) -> None:
    """Waits for an event; raises AssertionError that names it when it does not come, with what was
    `written` by then."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() >= end:
            wrote = f"; it wrote:\n{written.read_text('utf-8', 'replace')}" if written else ""
            raise AssertionError(f"{what} did not come{wrote}")
        time.sleep(0.02)


@dataclass(frozen=True)
class Scrape:
    """One answer of the endpoint, strictly parsed.

    Attributes:
        samples: sample name → labels → value.
        cumulative: the names of samples that may never fall.
    """

    samples: dict[str, dict[Labels, float]]
    cumulative: frozenset[str]

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series of this sample name that carry these labels."""
        wanted = set(labels.items())
        series = self.samples.get(name, {})
        return sum(value for have, value in series.items() if wanted <= have)

    @property
    def requests(self) -> float:
        """All requests that servers counted."""
        return self.total("http_server_request_duration_seconds_count")


def scrape(port: int) -> Scrape:
    """Reads the endpoint; raises OSError when it does not answer."""
    text = _read(port, OPENMETRICS)
    samples: dict[str, dict[Labels, float]] = {}
    cumulative = set()
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # untyped
    for family in families:
        for sample in family.samples:
            key = frozenset(sample.labels.items())
            series = samples.setdefault(sample.name, {})
            if family.type in ("counter", "histogram"):
                cumulative.add(sample.name)
            assert key not in series, f"{sample.name}{dict(key)} stands twice"
            series[key] = sample.value
    return Scrape(samples, frozenset(cumulative))


def _read(port: int, accept: str) -> str:
    url = f"http://127.0.0.1:{port}/metrics"
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: bytes = answer.read()
    return found.decode()


def scrapes(port: int) -> bool:
    """Whether the endpoint answers."""
    try:
        scrape(port)
    except OSError:
        return False
    return True


@dataclass
class Running:
    """A command under `monagent run`: its process, the port of its endpoint, where it writes."""

    process: subprocess.Popen[bytes]
    metrics: int
    output: Path

    def scrape(self) -> Scrape:
        """The endpoint's answer now."""
        return scrape(self.metrics)

    def text(self) -> str:
        """The endpoint's answer now, as Prometheus text."""
        return _read(self.metrics, "text/plain")

    def children(self) -> list[int]:
        """The pids of the direct children."""
        pid = self.process.pid
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]

    def settled(self, wanted: float, what: str = "the requests counted") -> Scrape:
        """The first scrape with this many requests: a server may answer before it has counted."""
        until(lambda: self.scrape().requests >= wanted, f"{wanted} of {what}")
        return self.scrape()


@contextlib.contextmanager
def running(
    command: Sequence[str],
    tmp_path: Path,
    *,
    ready: int | None = None,
    environ: dict[str, str] | None = None,
    cwd: Path = APPS,
    scraped: bool = True,
) -> Iterator[Running]:
    """Runs `command` under monagent until the block ends, then ends it and its whole group.

    Args:
        ready: the port that tells that the command serves.
        environ: variables beside those of the test run.
        scraped: whether the endpoint answers whoever asks.
    """
    metrics = free_port()
    output = tmp_path / f"output-{metrics}"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "monagent", "run", "--port", str(metrics), "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
            start_new_session=True,
        )
    try:
        if ready is not None:
            until(
                lambda: listening(ready) or process.poll() is not None,
                f"{command[0]} on port {ready}",
                written=output,
            )
            assert process.poll() is None, output.read_text()
        if scraped:
            until(lambda: scrapes(metrics), f"the endpoint of {command[0]}", written=output)
        yield Running(process, metrics, output)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not listening(metrics), "the end of the exporter")
