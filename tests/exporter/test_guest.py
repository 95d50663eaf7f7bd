"""The exporter inside a program: as a thread that harms neither its exit nor its children."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import monagent
from monagent import settings, tree, where
from monagent.exporter.lock import Lock
from tests.exporter.forge import REQUESTS, Forged
from tests.exporter.running import DEADLINE, fetch, sleeper, text_samples, until, write_root

PROGRAM = """
import json, os, sys, time
from monagent import exporter, metrics, settings
from monagent.store.shard import Shard

def said(record):
    return json.dumps(record).encode()

directory = sys.argv[1]
shard = Shard(directory, '{"argv0": "guest"}')
with shard.lock:
    shard.describe(said({"instrument": 0, "name": "hits", "kind": "counter", "unit": "",
        "help": "Hits.", "bounds": [], "merge": "sum", "minmax": False, "scope": ["", "", ""]}))
    at = shard.series(1, lambda at: said({"series": 0, "at": at, "width": 1, "attributes": {}}))
shard.mem[0][at] += 1
stop = exporter.serve_in_thread(directory, settings.load(os.environ))
print("serving" if stop else "not serving", flush=True)
for line in sys.stdin:
    if line == "add\\n":
        shard.mem[0][at] += 1
    if line == "fork\\n":
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        print(pid, flush=True)
    if line == "exit\\n":
        break
"""


# The exporter's thread takes so many seconds to begin.
SLOW = """
import time
from monagent.exporter import guest
Life = guest.Life
guest.Life = lambda *args, **kwargs: (time.sleep({}), Life(*args, **kwargs))[1]
"""

PYTHONS = [Path(sys.executable), *sorted(Path.home().glob(".pyenv/versions/3.1[0-9]*/bin/python"))]
pythons = pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parts[-3])


def start(
    path: Path, first: str = "", python: Path = PYTHONS[0], **environ: str
) -> subprocess.Popen[str]:
    """A program with the exporter inside, which does as it reads, after what is to be `first`."""
    path.chmod(0o700)
    environ["PYTHONPATH"] = str(Path(monagent.__file__).parents[1])
    return subprocess.Popen(
        [str(python), "-c", first + PROGRAM, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"MONAGENT_PORT": "0", "MONAGENT_EXPORTER": "thread", **environ},
    )


def tell(program: subprocess.Popen[str], line: str) -> None:
    """Makes it do something."""
    assert program.stdin is not None
    program.stdin.write(line + "\n")
    program.stdin.flush()


def port_of(path: Path) -> int:
    """Where it listens, once it does."""
    url = until(lambda: tree.endpoint(str(path)), "the endpoint")
    return int(url.rpartition(":")[2].partition("/")[0])


def answer(port: int) -> str:
    """What a scrape gets; nothing while nobody listens."""
    try:
        return fetch(port, "/metrics").text
    except ConnectionRefusedError:
        return ""


def test_a_thread_serves_and_its_lock_bears_a_look_from_inside(tmp_path: Path) -> None:
    """Whoever looks, inside or outside, sees the program as the holder."""
    program = start(tmp_path)
    found = text_samples(fetch(port_of(tmp_path), "/metrics").text)
    holder = tree.exporter_pid(str(tmp_path))
    second = start(tmp_path)
    tell(second, "exit")
    out, _ = second.communicate()
    tell(program, "exit")
    _, errors = program.communicate()

    assert found["hits_total"] == 1.0
    assert holder == program.pid
    assert out == "not serving\n"
    assert (program.returncode, errors) == (0, "")


def test_the_lock_of_an_open_file_outlives_other_looks_at_the_file(tmp_path: Path) -> None:
    """POSIX's would be lost as soon as the same process closes any descriptor of it."""
    guest = Lock(str(tmp_path), guest=True)
    assert guest.take()

    assert tree.exporter_pid(str(tmp_path)) == os.getpid()
    assert tree.exporter_pid(str(tmp_path)) == os.getpid()
    assert not Lock(str(tmp_path), guest=True).take()
    assert not Lock(str(tmp_path)).take()
    guest.release()
    assert tree.exporter_pid(str(tmp_path)) == 0


def test_children_of_the_program_keep_neither_its_lock_nor_its_port(tmp_path: Path) -> None:
    """The parent is killed: somebody else may export, although its child lives on."""
    program = start(tmp_path)
    port = port_of(tmp_path)
    assert program.stdout is not None
    program.stdout.readline()
    tell(program, "fork")
    child = int(program.stdout.readline())
    try:
        program.kill()
        program.wait()
        lock = Lock(str(tmp_path))
        until(lock.take, "the child to have let go of the lock")
        lock.release()
        try:
            fetch(port, "/healthz")
        except ConnectionRefusedError:
            refused = True
        else:
            refused = False
    finally:
        os.kill(child, signal.SIGKILL)
        program.communicate()

    assert refused


@pythons
def test_connections_that_are_open_when_the_program_ends_say_nothing(
    tmp_path: Path, python: Path
) -> None:
    """A scraper's that is kept alive, and one that has asked for nothing yet."""
    program = start(tmp_path, python=python)
    port = port_of(tmp_path)
    scraper = http.client.HTTPConnection("127.0.0.1", port)
    scraper.request("GET", "/metrics")
    scraper.getresponse().read()
    with socket.create_connection(("127.0.0.1", port)):
        fetch(port, "/healthz")  # By now the exporter has taken the one before.
        _, errors = program.communicate("exit\n", timeout=DEADLINE)
    scraper.close()

    assert (program.returncode, errors) == (0, "")


@pythons
def test_at_the_end_of_the_program_its_last_numbers_are_delivered(
    tmp_path: Path, python: Path
) -> None:
    """Also what was counted a moment before; then nothing of ours is left.

    CPython 3.12 starts no thread any more by then.
    """
    state = tmp_path / "state"
    state.mkdir()
    program = start(state, python=python, MONAGENT_TEXTFILE=str(tmp_path / "last.prom"))
    port_of(state)
    tell(program, "add")
    tell(program, "exit")
    _, errors = program.communicate()

    assert (program.returncode, errors) == (0, "")
    assert text_samples((tmp_path / "last.prom").read_text())["hits_total"] == 2.0
    assert not state.exists()


@pythons
def test_a_program_that_ends_before_the_thread_has_begun_waits_for_its_delivery(
    tmp_path: Path, python: Path
) -> None:
    """A program of a moment: there is nobody yet to be told to stop."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "last.prom"
    program = start(state, SLOW.format(0.3), python, MONAGENT_TEXTFILE=str(file))
    _, errors = program.communicate("exit\n")

    assert (program.returncode, errors) == (0, "")
    assert text_samples(file.read_text())["hits_total"] == 1.0
    assert not state.exists()


# It serves nothing while it runs.
SILENT = """
import atexit
from monagent import exporter
exporter.serve_in_thread = lambda *args: atexit.register(exporter.finish, *args) and None
"""


@pythons
def test_a_program_that_has_not_served_delivers_at_its_end(tmp_path: Path, python: Path) -> None:
    """In its own thread where Python starts no other one by then; nobody is to scrape that."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "last.prom"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        program = start(state, SILENT, python, MONAGENT_TEXTFILE=str(file), MONAGENT_PORT=port)
        tell(program, "add")
        out, errors = program.communicate("exit\n")

    assert (program.returncode, out, errors) == (0, "not serving\n", "")
    assert text_samples(file.read_text())["hits_total"] == 2.0
    assert not state.exists()


def test_without_a_delivery_nobody_waits_for_the_thread(tmp_path: Path) -> None:
    """The program ends, whatever the thread is at."""
    program = start(tmp_path, SLOW.format(1000))
    _, errors = program.communicate("exit\n", timeout=DEADLINE)

    assert (program.returncode, errors) == (0, "")


def test_while_the_trees_first_process_runs_the_next_one_goes_on_with_the_total(
    tmp_path: Path,
) -> None:
    """It records nothing, but what it starts does; no second passes until that may serve."""
    found = []
    with sleeper() as root:
        write_root(tmp_path, root.pid)
        for _ in range(3):
            program = start(tmp_path)
            text = until(lambda: answer(port_of(tmp_path)), "an answer on the port of the first")
            found.append(text_samples(text)["hits_total"])
            out, errors = program.communicate("exit\n")
            assert (out, errors, tree.exporter_runs(str(tmp_path))) == ("serving\n", "", False)

    assert found == [1.0, 2.0, 3.0]


def test_a_tree_does_not_count_what_the_one_before_has_left(tmp_path: Path) -> None:
    """In a directory that somebody chose; who still records there is of the new one."""
    tmp_path.chmod(0o700)
    with sleeper() as root, sleeper() as daemon, sleeper() as dead:
        write_root(tmp_path, root.pid)
        Forged(str(tmp_path), [(REQUESTS, {}, [1.0])], pid=daemon.pid)
        Forged(str(tmp_path), [(REQUESTS, {}, [2.0])], pid=dead.pid)
        (tmp_path / "retained").write_bytes(b"")
        lock = Lock(str(tmp_path), guest=True)
        assert lock.take()
        lock.leave()
        lock.release()
        for one in (root, dead):
            one.kill()
            one.wait()
        tree.find(settings.load({"MONAGENT_DIR": str(tmp_path)}), {}, where.bootstrap())
        left = [path.name.partition("-")[0] for path in tmp_path.glob("*.shard")]

    assert left == [str(daemon.pid)]
    assert not (tmp_path / "retained").exists()
