"""A real exporter process on a real directory, and what a scraper gets from it."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_client.parser
from prometheus_client.openmetrics import parser as openmetrics_parser

import monagent
from monagent.store import process
from monagent.store.directory import note_stderr

MAIN = Path(monagent.__file__).parent / "exporter" / "__main__.py"
DEADLINE = 60.0

# The package leaves it untyped.
parse_strictly: Any = openmetrics_parser.text_string_to_metric_families


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Waits for the condition to be true and returns what it gave."""
    ends = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < ends, f"waited too long for {what or condition}"
        time.sleep(0.01)
    return found


@dataclass
class Answer:
    """A response, decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()


@dataclass
class Exporter:
    """An exporter under test; `process` is ours to wait for."""

    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it listens, once it does."""
        endpoint = self.directory / "endpoint"
        return str(until(lambda: endpoint.exists() and endpoint.read_text().strip(), "endpoint"))

    @property
    def port(self) -> int:
        """The port of that."""
        port = urllib.parse.urlsplit(self.url).port
        assert port
        return port

    def get(self, path: str = "/metrics", method: str = "GET", **headers: str) -> Answer:
        """One request on a connection of its own."""
        return fetch(self.port, path, method, **headers)

    def samples(self) -> dict[str, float]:
        """All samples of a scrape, parsed strictly, by `name{label="value",…}`."""
        text = self.get(accept="application/openmetrics-text").text
        return {
            sample.name + _braces(sample.labels): sample.value
            for family in parse_strictly(text)
            for sample in family.samples
        }

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signals it and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def fetch(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request, with `headers` named in Python's way."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        body = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        if found.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(response.status, found, body)
    finally:
        connection.close()


def text_samples(text: str) -> dict[str, float]:
    """The samples of a Prometheus text."""
    return {
        sample.name + _braces(sample.labels): sample.value
        for family in prometheus_client.parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def _braces(labels: dict[str, str]) -> str:
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{{{inner}}}" if inner else ""


def write_root(directory: Path, pid: int) -> None:
    """Makes this process the tree's root."""
    ticks = process.start_ticks(pid) or 0
    (directory / "root").write_text(f"{pid} {ticks}\n")
    note_stderr(str(directory), (pid, ticks))


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is killed."""
    child = subprocess.Popen(["sleep", "1000"])
    try:
        yield child
    finally:
        child.kill()
        child.wait()


class Speaker(subprocess.Popen[bytes]):
    """A process that lives until it is killed, and whose stderr is heard."""

    def said(self) -> bytes:
        """Ends it, and returns what stood on its stderr."""
        assert self.stderr is not None
        self.kill()
        return self.stderr.read()


@contextmanager
def speaker() -> Iterator[Speaker]:
    """Such a process."""
    with Speaker(["sleep", "1000"], stderr=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def exporter(
    directory: Path,
    *arguments: str,
    python: str = sys.executable,
    stderr: int | None = None,
    descriptors: int | None = None,
    keep: tuple[int, ...] = (),
    **environ: str,
) -> Iterator[Exporter]:
    """Runs an exporter on `directory`, on a port of its own choice unless told otherwise."""
    directory.chmod(0o700)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MONAGENT_", "OTEL_"))}
    command = [python, "-I", str(MAIN), "--dir", str(directory), *arguments]
    if descriptors is not None:
        command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
    child = subprocess.Popen(
        command,
        env={**clean, "MONAGENT_PORT": "0", **environ},
        stderr=stderr,
        pass_fds=keep,
    )
    try:
        yield Exporter(directory, child)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
