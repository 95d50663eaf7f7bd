"""A tree lives as long as somebody who may record: also a daemon that has not yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monagent.exporter.forks import Forks
from monagent.store.file import File
from monagent.store.shard import Shard
from tests.exporter.running import DEADLINE, fetch, text_samples, until
from tests.launch.oracle import ADOPTED, ENV, RUN, environment
from tests.ports import free_port

COUNT = "db_client_operation_duration_seconds_count"

DAEMON = """
import os, sqlite3, time
open("first", "w").write(str(os.getpid()))
for _ in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
while not os.path.exists("record"):
    time.sleep(0.02)
sqlite3.connect(":memory:").execute("select 1")
while not os.path.exists("end"):
    time.sleep(0.02)
"""


def count(port: int) -> float:
    """The statements that are served; -1 if nobody serves any more."""
    try:
        samples = text_samples(fetch(port, "/metrics").text)
    except OSError:
        return -1.0
    return sum(value for name, value in samples.items() if name.startswith(COUNT))


@pytest.mark.parametrize("how", ADOPTED)
def test_a_daemon_that_records_late_is_on_the_endpoint(how: str, tmp_path: Path) -> None:
    """Its parents have ended long before, and have recorded nothing; when it ends all does."""
    port = free_port()
    words = [sys.executable, "-c", DAEMON]
    if how == RUN:
        words[:0] = [sys.executable, "-I", "-m", "monagent", "run", "--port", str(port), "--"]
    environ = environment(how, {"MONAGENT_PORT": str(port)} if how == ENV else {})
    out = subprocess.DEVNULL
    subprocess.run(
        words, env=environ, cwd=tmp_path, timeout=DEADLINE, check=True, stdout=out, stderr=out
    )
    first = (tmp_path / "first").read_text()
    until(lambda: not os.path.exists(f"/proc/{first}"), "the end of the first process")
    until(lambda: count(port) == 0.0, "an endpoint")
    state = next(Path("/dev/shm").glob(f"monagent-{os.geteuid()}/{first}-*[0-9]"))
    until(lambda: not list(state.glob("*.shard")), "the fold of the first process")
    try:
        assert count(port) == 0.0
        (tmp_path / "record").touch()
        until(lambda: count(port) == 1.0, "the statement")
    finally:
        (tmp_path / "record").touch()
        (tmp_path / "end").touch()
    until(lambda: count(port) == -1.0, "the end of the endpoint")


def test_what_holds_a_lock_was_forked(tmp_path: Path) -> None:
    """It does until it ends, whether or not the file is still there; unlocked files are none's."""
    shard = Shard(str(tmp_path))
    path = str(shard.path)
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(4096))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    forks = Forks()

    forks.take(path)
    forks.take(str(plain))
    forks.take(str(tmp_path / "missing"))
    os.unlink(path)
    assert forks.alive()
    os.close(write)
    os.waitpid(child, 0)
    assert forks.alive()  # We hold it ourselves.
    shard.close()


def test_the_files_of_those_without_forks_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a most of them besides."""
    monkeypatch.setattr("monagent.exporter.forks._MOST", 2)
    files = [File(str(tmp_path / f"{number}.shard")) for number in range(3)]
    mappings = [file.mapping(0, 4096) for file in files]
    forks = Forks()
    before = len(os.listdir("/proc/self/fd"))

    for file in files:
        forks.take(file.path)
    assert len(os.listdir("/proc/self/fd")) == before + 2
    for file, mapping in zip(files, mappings, strict=True):
        file.close()
        mapping.close()
    assert not forks.alive()
    assert len(os.listdir("/proc/self/fd")) <= before - 3
