"""A tree goes on when its first process has ended: with what that has left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monagent import tree, where
from monagent.exporter import heir, waiting
from monagent.exporter.lock import Lock
from monagent.store import directory, process
from tests.exporter.running import DEADLINE, fetch, text_samples, until
from tests.launch.oracle import RUN, environment
from tests.ports import free_port

PATH = "/dev/shm/monagent-7/50-500"

LEFT = """\
(
    echo "${MONAGENT_DIR:-$PYTHONPATH}" > named
    "$0" -c "$1"
    while [ ! -e again ]; do sleep 0.05; done
    "$0" -c "$1"
    while [ ! -e end ]; do sleep 0.05; done
) > /dev/null 2>&1 &
while [ ! -s named ]; do sleep 0.05; done
"""
RECORD = "import sqlite3; sqlite3.connect(':memory:').execute('select 1')"
COUNT = "db_client_operation_duration_seconds_count"


@contextmanager
def left(folder: Path, port: int, **environ: str) -> Iterator[str]:
    """What runs on when its root has ended; the tree's state directory."""
    words = [sys.executable, "-I", "-m", "monagent", "run", "--port", str(port), "--", "sh", "-c"]
    subprocess.run(
        [*words, LEFT, sys.executable, RECORD],
        env=environment(RUN, environ),
        cwd=folder,
        timeout=DEADLINE,
        check=True,
    )
    named = (folder / "named").read_text().strip()
    state = where.told({"PYTHONPATH": named}) or named
    try:
        yield state
    finally:
        (folder / "again").touch()
        (folder / "end").touch()
        until(lambda: not tree.exporter_runs(state), "the exporter's end")


def goes_on(state: str) -> bool:
    """Whether what was left is the tree's first process now."""
    root = directory.read_root(state)
    return root is not None and process.runs(*root)


def count(port: int) -> float:
    """The statements that are served."""
    samples = text_samples(fetch(port, "/metrics").text)
    return sum(value for name, value in samples.items() if name.startswith(COUNT))


@pytest.mark.parametrize("chosen", [False, True])
def test_what_a_shell_in_the_background_starts_adds_to_what_was_there(
    chosen: bool, tmp_path: Path
) -> None:
    """Between its Pythons nobody records, and the endpoint stays; with it all ends."""
    port = free_port()
    environ = {"MONAGENT_DIR": str(tmp_path / "state")} if chosen else {}
    with left(tmp_path, port, **environ) as state:
        until(lambda: goes_on(state), "the heir")
        exporter = tree.exporter_pid(state)
        before = count(port)
        (tmp_path / "again").touch()
        until(lambda: count(port) > before, "the second Python")
        after = count(port), tree.exporter_pid(state)

    assert (before, after) == (1, (2, exporter))
    until(lambda: not Path(state, directory.ROOT).exists(), "the directory's end")


def test_the_next_tree_gets_the_port_of_one_in_which_nobody_records(tmp_path: Path) -> None:
    """A shell that a program has left behind may wait for days."""
    port = free_port()
    words = [sys.executable, "-I", "-m", "monagent", "run", "--port", str(port), "--"]
    with left(tmp_path, port) as state:
        until(lambda: goes_on(state), "the heir")
        program = [sys.executable, "-c", f"{RECORD}; input()"]
        with subprocess.Popen(
            [*words, *program], env=environment(RUN), stdin=subprocess.PIPE
        ) as second:
            until(lambda: not tree.exporter_pid(state), "the first exporter's end")
            until(lambda: served(port), "the second one's endpoint")
            beside = list(Path(state).parent.glob(f"{second.pid}-*/{directory.WAITING}"))
            second.communicate(b"\n", timeout=DEADLINE)

    assert beside == []


def served(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        return bool(count(port))
    except OSError:
        return False


@pytest.mark.parametrize(
    ("own", "host", "more", "gives_way"),
    [
        ("127.0.0.1", "127.0.0.1", 0, True),
        ("127.0.0.1", "0.0.0.0", 0, True),
        ("0.0.0.0", "127.0.0.1", 0, True),
        ("127.0.0.1", "127.0.0.2", 0, False),
        ("127.0.0.1", "127.0.0.1", 1, False),
    ],
)
def test_a_tree_in_which_nobody_records_gives_away_what_the_next_one_waits_for(
    own: str, host: str, more: int, gives_way: bool, tmp_path: Path
) -> None:
    """No other address, whose holder is another program; and only if that one goes on waiting."""
    state, beside = (f"{directory.home(str(tmp_path))}/{name}" for name in ("50-500", "60-600"))
    os.makedirs(beside)
    lock = Lock(beside, guest=True)
    with socket.create_server((own, 0)) as ours:
        port = ours.getsockname()[1]
        seen = [heir.wanted(state, ours)]
        assert lock.take()
        seen.append(heir.wanted(state, ours))  # It has not said what it waits for.
        waiting.begin(beside, host, port + more)
        seen.append(heir.wanted(state, ours))  # It has just begun.
        os.utime(f"{beside}/{directory.WAITING}", (0, 0))
        long, without = heir.wanted(state, ours), heir.wanted(state, None)
        waiting.end(beside)
        seen.append(heir.wanted(state, ours))
        waiting.begin(beside, host, port + more)
        os.utime(f"{beside}/{directory.WAITING}", (0, 0))
        lock.release()
        seen.append(heir.wanted(state, ours))  # It has ended.

    assert (long, without, seen) == (gives_way, False, [False] * 5)


def test_what_an_exporter_waits_for_is_told_until_it_has_ended(tmp_path: Path) -> None:
    """It leaves nothing behind, also if it has never got the port."""
    state, environ = tmp_path / "state", environment(RUN, {"MONAGENT_DIR": str(tmp_path / "state")})
    file = state / directory.WAITING
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [sys.executable, "-I", "-m", "monagent", "run", "--port", str(port), "--"]
        program = [*words, sys.executable, "-c", f"{RECORD}; input()"]
        with subprocess.Popen(program, env=environ, stdin=subprocess.PIPE) as waiter:
            told = until(lambda: file.exists() and file.read_text(), "what it waits for")
            waiter.communicate(b"\n", timeout=DEADLINE)
            until(lambda: not tree.exporter_runs(str(state)), "the exporter's end")

    assert (told, list(state.iterdir())) == (f"127.0.0.1 {port}\n", [])


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., None]:
    """Makes a process in a /proc of our own making."""

    def make(pid: int, environ: dict[str, str], *, argv: str = "sh", parent: int = 1) -> None:
        place = tmp_path / str(pid)
        place.mkdir()
        fields = ["S", str(parent), *["0"] * 17, str(pid * 10)]
        (place / "stat").write_text(f"{pid} (sh) {' '.join(fields)} 0\n")
        (place / "cmdline").write_text(argv.replace(" ", "\0") + "\0")
        entries = [f"{name}={value}\0" for name, value in environ.items()]
        (place / "environ").write_text("".join(entries))

    return make


def test_it_is_the_uppermost_of_those_that_record_there(
    put: Callable[..., None], tmp_path: Path
) -> None:
    """As that of a tree is whenever it begins: a shell, say, and not the command that it runs."""
    ours = {"PYTHONPATH": os.pathsep.join((where.bootstrap(), PATH, "/app"))}
    put(1, {})
    put(70, {})
    put(60, ours, parent=61)
    put(61, ours, parent=70)

    assert heir.find(PATH, str(tmp_path)) == (61, 610)


def test_nobody_else_keeps_a_tree_alive(put: Callable[..., None], tmp_path: Path) -> None:
    """Other trees, exporters, who has switched monagent off or chosen another directory, and the
    kernel's."""
    ours = {"PYTHONPATH": os.pathsep.join((where.bootstrap(), PATH))}
    put(1, {})
    put(2, {}, argv="")
    put(60, {"PYTHONPATH": f"{where.bootstrap()}{os.pathsep}{PATH}0"})
    put(61, ours, argv=f"python -I {where.EXPORTER} --dir {PATH}")
    put(62, {**ours, "MONAGENT_ENABLED": "off"})
    put(63, {**ours, "MONAGENT_DIR": "/state"})
    put(64, {"PYTHONPATH": PATH})
    put(65, {"MONAGENT_DIR": PATH})

    assert heir.find(PATH, str(tmp_path)) is None


def test_what_is_no_shell_starts_nobody_who_records(
    put: Callable[..., None], tmp_path: Path
) -> None:
    """Its tree has ended, and whoever watches the endpoint is to see that."""
    ours = {"PYTHONPATH": os.pathsep.join((where.bootstrap(), PATH))}
    put(1, {})
    for pid, argv in enumerate(("sleep 3600", "/usr/bin/firefox", "ssh-agent", "shark"), 60):
        put(pid, ours, argv=argv)
    assert heir.find(PATH, str(tmp_path)) is None

    for pid, argv in enumerate(("-bash", "/bin/sh ./loop.sh"), 70):
        put(pid, ours, argv=argv)
        assert heir.find(PATH, str(tmp_path)) == (pid, pid * 10)
        (tmp_path / str(pid) / "cmdline").write_text("")


def test_a_supervisor_ends_the_exporter_as_soon_as_before(
    put: Callable[..., None], tmp_path: Path
) -> None:
    """It gives what outlives the command two seconds, and waits for no heir."""
    state = tmp_path / "monagent-7" / "50-500"
    state.mkdir(parents=True)
    put(1, {})
    put(60, {"PYTHONPATH": os.pathsep.join((where.bootstrap(), str(state)))})
    put(61, {})

    assert heir.find(str(state), str(tmp_path)) == (60, 600)
    directory.write_root(str(state), (61, 610), directory.SUPERVISOR)
    assert heir.find(str(state), str(tmp_path)) is None
