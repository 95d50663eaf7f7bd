"""Servers that a scenario needs, started on free ports for its time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import ROOT, free_port, listening


def start(service: str | None, stack: ExitStack) -> dict[str, str] | None:
    """Starts the service; the variable with its address, or None where it is not installed."""
    if service is None:
        return {}
    return {"postgresql": _postgresql, "redis": _redis, "http": _http}[service](stack)


def missing(title: str, service: str | None) -> list[str]:
    """What stands in place of a table."""
    return [f"### {title}", "", f"Not measured: {service} is not installed.", ""]


def _postgresql(stack: ExitStack) -> dict[str, str] | None:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    found = [place for place in places if (place / "initdb").exists()]
    if not found:
        return None
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
    # PostgreSQL refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    data, port = f"{folder}/data", free_port()
    initdb = [str(found[0] / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run([*user, *initdb], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"]
    _serve([*user, str(found[0] / "postgres"), "-D", data, *options], port, folder, stack)
    return {"BENCH_POSTGRESQL": f"127.0.0.1:{port}/postgres?user=postgres"}


def _redis(stack: ExitStack) -> dict[str, str] | None:
    found = shutil.which("redis-server")
    if found is None:
        return None
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    _serve([found, *options], port, folder, stack)
    return {"BENCH_REDIS": f"redis://127.0.0.1:{port}/0"}


def _http(stack: ExitStack) -> dict[str, str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.apps.answering", str(port)]
    _serve(command, port, str(ROOT), stack)
    return {"BENCH_HTTP": f"http://127.0.0.1:{port}/"}


def _serve(command: list[str], port: int, folder: str, stack: ExitStack) -> None:
    server = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(server.wait)
    stack.callback(server.terminate)
    listening(port)
