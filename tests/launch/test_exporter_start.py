"""A tree has one exporter: started once, replaced when it dies, and nobody's child."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from monagent import cli_scrape, tree
from tests.launch.oracle import ADOPTED, DEADLINE, ENV, RUN, environment, run, words
from tests.ports import free_port

LOOP = (
    "import sqlite3, time\n"
    "base = sqlite3.connect(':memory:')\n"
    "while True: base.execute('select 1'); time.sleep(0.05)\n"
)
COUNT = "db_client_operation_duration_seconds_count"

IDLE = {
    "event loop": "import asyncio; asyncio.run(asyncio.sleep(600))",
    "observable instrument": (
        "import time\n"
        "from monagent.embedding import MeterProvider\n"
        "meter = MeterProvider().get_meter('shop')\n"
        "gauge = meter.create_observable_gauge('orders', [lambda _: []])\n"
        "time.sleep(600)\n"
    ),
    "gunicorn": (
        "import sys\n"
        "from gunicorn.app.wsgiapp import run\n"
        "sys.argv = ['gunicorn', '--bind', '127.0.0.1:0', 'wsgiref.simple_server:demo_app']\n"
        "run()\n"
    ),
}

QUIET = {
    "log records": "import logging; record = logging.getLogger().warning, 'on'",
    "prometheus_client": (
        "from prometheus_client import Counter; record = Counter('orders', 'Orders.').inc, 1"
    ),
    "OpenTelemetry": (
        "from opentelemetry import metrics\n"
        "record = metrics.get_meter('shop').create_counter('orders').add, 1"
    ),
}
AGAIN = """
import logging, time
logging.lastResort = None
while True: record[0](record[1]); time.sleep(0.05)
"""
ADOPT = {"MONAGENT_ADOPT": "otel,prometheus_client"}

quiet = pytest.mark.parametrize("code", [f"{one}\n{AGAIN}" for one in QUIET.values()], ids=QUIET)


def until(happened: Callable[[], object], what: str) -> None:
    """Wait for an event."""
    end = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


@contextlib.contextmanager
def running(
    mode: str, state: Path, code: str = LOOP, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that keeps its state there, for a while."""
    environ["MONAGENT_DIR"] = str(state)
    process = subprocess.Popen(
        words(mode, [sys.executable, "-c", code]),
        env=environment(mode, environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)
        until(lambda: not tree.exporter_runs(str(state)), "the exporter's end")


def scrape(state: Path) -> dict[str, float]:
    """Sums by sample name; empty while nobody answers."""
    found: dict[str, float] = {}
    url = tree.endpoint(str(state))
    if url:
        with contextlib.suppress(OSError, HTTPException):
            for sample in cli_scrape.parse(cli_scrape.fetch(url)):
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_parent_that_ignores_its_children_changes_nothing(mode: str, tmp_path: Path) -> None:
    """Whoever is begun with SIGCHLD ignored (some shells, cron jobs, supervisors) cannot wait for
    whom it has started."""
    state, ignored = tmp_path / "state", signal.SIG_IGN
    before = signal.signal(signal.SIGCHLD, ignored)
    try:
        command = words(mode, [sys.executable, "-c", LOOP])
        environ = environment(mode, {"MONAGENT_DIR": str(state)})
        process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGCHLD, before)
    try:
        until(lambda: scrape(state).get(COUNT), "the program's numbers")
    finally:
        process.terminate()
        _, said = process.communicate(timeout=DEADLINE)
        until(lambda: not tree.exporter_runs(str(state)), "the exporter's end")

    assert b"nothing is recorded" not in said
    assert b"could not start" not in said


@pytest.mark.parametrize("ended", [False, True])
def test_a_parent_that_blocks_the_signal_of_children_leaves_none_of_ours(ended: bool) -> None:
    """What started the exporter has ended, of which the program hears nothing; but it does hear of
    a child of its own, from before an exec."""

    def begun() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        if ended and os.fork() == 0:
            os._exit(0)
        if ended:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)

    show = "import signal; print(signal.SIGCHLD in signal.sigpending())"
    for mode in ADOPTED:
        found = run(mode, [sys.executable, "-c", show], preexec=begun)
        assert (mode, found.stdout) == (mode, f"{ended}\n".encode())


def test_a_child_that_ends_beside_ours_is_heard_of() -> None:
    """Two of them are one signal."""
    code = (
        "import os, signal\n"
        "from monagent import spawn\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])\n"
        "def end():\n"
        "    if os.fork() == 0: os._exit(0)\n"
        "    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)\n"
        "    spawn._forget_child()\n"
        "    return signal.SIGCHLD in signal.sigpending()\n"
        "print(end(), os.wait()[1], spawn._forget_child(), signal.sigpending())\n"
    )

    assert run(RUN, [sys.executable, "-c", code]).stdout == b"True 0 None set()\n"


@pytest.mark.parametrize("mode", ADOPTED)
def test_an_exporter_that_was_killed_is_replaced_and_goes_on(mode: str, tmp_path: Path) -> None:
    """By the program, within seconds, on the same port where it was fixed, without a zombie."""
    state = tmp_path / "state"
    with running(mode, state) as program:
        until(lambda: scrape(state).get(COUNT), "the first numbers")
        before = scrape(state)[COUNT]
        first = tree.exporter_pid(str(state))
        os.kill(first, signal.SIGKILL)
        until(lambda: tree.exporter_pid(str(state)) not in (0, first), "another exporter")
        until(lambda: scrape(state).get(COUNT, 0) > before, "numbers that go on")
        second = tree.exporter_pid(str(state))
        with open(f"/proc/{program.pid}/task/{program.pid}/children") as file:
            children = file.read()
        with open(f"/proc/{second}/stat") as file:
            session = file.read().rpartition(")")[2].split()[3]

    assert children == ""
    assert session != str(os.getsid(0))


@pytest.mark.parametrize("code", IDLE.values(), ids=list(IDLE))
def test_an_exporter_that_was_killed_is_replaced_while_nothing_is_recorded(
    code: str, tmp_path: Path
) -> None:
    """Where something comes round by itself: without requests there would be no endpoint."""
    state = tmp_path / "state"
    with running(RUN, state, code):
        _replaced(state)


@quiet
def test_an_exporter_that_was_killed_is_replaced_by_what_logs_or_is_adopted(
    code: str, tmp_path: Path
) -> None:
    """Without requests, calls or statements."""
    state = tmp_path / "state"
    with running(RUN, state, code, **ADOPT):
        _replaced(state)


def _replaced(state: Path) -> None:
    until(lambda: scrape(state).get("monagent_processes"), "the program")
    first = tree.exporter_pid(str(state))
    os.kill(first, signal.SIGKILL)
    until(lambda: not tree.exporter_pid(str(state)), "its end")
    # As if it had been begun a while ago.
    os.utime(state / "exporter.lock", (0, 0))
    until(lambda: tree.exporter_pid(str(state)) not in (0, first), "another exporter")


@pytest.mark.parametrize("mode", ADOPTED)
def test_the_exporter_holds_nothing_of_the_program(mode: str, tmp_path: Path) -> None:
    """No stream, no terminal, no inherited descriptor; the replacement neither."""
    state = tmp_path / "state"
    with running(mode, state):
        until(lambda: scrape(state).get(COUNT), "the first numbers")
        held = _held(tree.exporter_pid(str(state)))
        first = tree.exporter_pid(str(state))
        os.kill(first, signal.SIGKILL)
        until(lambda: tree.exporter_pid(str(state)) not in (0, first), "another exporter")
        until(lambda: scrape(state).get(COUNT), "its numbers")
        held_later = _held(tree.exporter_pid(str(state)))

    assert not [name for name in held + held_later if "pipe:" in name or "/dev/pts" in name]


def _held(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError):
        return [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
    return []


@pytest.mark.parametrize("mode", ADOPTED)
def test_many_starts_at_once_make_one_exporter(mode: str, tmp_path: Path) -> None:
    """Eight Pythons of one tree, none of them first."""
    state = tmp_path / "state"
    code = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-c', 'import sys; sys.stdin.read()']  # until we end\n"
        "all_ = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(8)]\n"
        "import time; time.sleep(600)\n"
    )
    with running(mode, state, code):
        until(lambda: scrape(state).get("monagent_processes", 0) >= 8, "nine processes")
        # One that was started too and has not found the lock taken yet ends of itself.
        until(lambda: len(exporters(state)) == 1, "the end of all exporters but one")


def exporters(state: Path) -> list[str]:
    """The processes that export this directory, or are about to."""
    mine = f"--dir\0{state}\0".encode()
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and mine in _line(pid)]


def _line(pid: str) -> bytes:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_taken_port_is_one_line_and_served_once_it_is_free(mode: str, tmp_path: Path) -> None:
    """The program runs meanwhile."""
    state = tmp_path / "state"
    port = free_port()
    environ = environment(mode, {"MONAGENT_DIR": str(state), "MONAGENT_PORT": str(port)})
    command = words(mode, [sys.executable, "-c", LOOP])
    if mode == RUN:
        command = [word for word in command if word not in ("--port", "0")]
    with socket.create_server(("127.0.0.1", port)):
        process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)
        assert process.stderr is not None
        line = process.stderr.readline()
    try:
        until(lambda: scrape(state).get(COUNT), "the numbers, once the port is free")
        assert tree.endpoint(str(state)) == f"http://127.0.0.1:{port}/metrics"
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=DEADLINE)

    assert str(port).encode() in line
    assert b"taken" in line
    assert rest.count(b"monagent:") <= 1  # That it is served now may be said.


@pytest.mark.parametrize("mode", ADOPTED)
def test_another_tree_that_has_the_port_is_no_other_program(mode: str, tmp_path: Path) -> None:
    """The line names it, and what to do."""
    port = free_port()
    command = words(mode, [sys.executable, "-c", LOOP], ["--port", str(port)])

    def begin(name: str) -> subprocess.Popen[bytes]:
        places = {"MONAGENT_DIR": str(tmp_path / name), "MONAGENT_PORT": str(port)}
        return subprocess.Popen(command, env=environment(mode, places), stderr=subprocess.PIPE)

    with begin("first") as first:
        until(lambda: scrape(tmp_path / "first"), "the first exporter")
        with begin("second") as second:
            assert second.stderr is not None
            line = second.stderr.readline()
            second.terminate()
        first.terminate()

    assert line.decode() == (
        f"monagent: port 127.0.0.1:{port} is taken by another tree of monagent, begun by process"
        f" {first.pid}: for one endpoint start both below one `monagent run` or name one"
        " MONAGENT_DIR, for two set another MONAGENT_PORT; trying again until it is free\n"
    )


@pytest.mark.parametrize("mode", ADOPTED)
def test_the_exporter_of_the_run_before_is_no_other_program(mode: str, tmp_path: Path) -> None:
    """It has the port until its last numbers are delivered: no reason for an alarm."""
    port = free_port()

    def command(name: str, code: str, *options: str) -> list[str]:
        state = ["--dir", str(tmp_path / name), "--port", str(port)]
        return words(RUN, [sys.executable, "-c", code], [*state, *options])

    with socket.create_server(("127.0.0.1", 0)) as silent:
        gateway = f"http://127.0.0.1:{silent.getsockname()[1]}"
        first = command("first", "pass", "--pushgateway", gateway)
        subprocess.run(first, env=environment(RUN), check=True, stderr=subprocess.DEVNULL)
        places = {"MONAGENT_DIR": str(tmp_path / "second"), "MONAGENT_PORT": str(port)}
        second = subprocess.Popen(
            command("second", "input()")
            if mode == RUN
            else words(mode, [sys.executable, "-c", "input()"]),
            env=environment(mode, places),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        until(lambda: tree.exporter_pid(str(tmp_path / "second")), "the second exporter")
    until(lambda: scrape(tmp_path / "second"), "the port")
    _, said = second.communicate(b"\n", timeout=DEADLINE)
    until(lambda: not tree.exporter_runs(str(tmp_path / "second")), "the exporter's end")

    held = f"port 127.0.0.1:{port} is still held by the exporter of the run before; trying again"
    assert said.decode() == (f"monagent: {held}\n" if mode == RUN else "")


def test_the_exporter_may_live_inside(tmp_path: Path) -> None:
    """Where a second process is impossible, a thread serves, once there is something to serve."""
    state = tmp_path / "state"
    with running(ENV, state, MONAGENT_EXPORTER="thread") as program:
        until(lambda: scrape(state).get(COUNT), "the first numbers")
        holder = tree.exporter_pid(str(state))

    assert holder == program.pid


@quiet
def test_what_logs_or_is_adopted_is_served_from_inside(code: str, tmp_path: Path) -> None:
    """Without requests, calls or statements."""
    state = tmp_path / "state"
    with running(ENV, state, code, MONAGENT_EXPORTER="thread", **ADOPT):
        until(lambda: scrape(state).get("monagent_processes"), "the endpoint")


def test_log_records_of_a_program_that_begins_start_no_thread(tmp_path: Path) -> None:
    """It may be about to fork, or to patch itself."""
    code = (
        "import logging, os\n"
        "logging.warning('begins'); logging.warning('is configured')\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    environ = {"MONAGENT_EXPORTER": "thread", "MONAGENT_DIR": str(tmp_path / "state")}
    command = words(ENV, [sys.executable, "-c", code])
    done = subprocess.run(
        command, env=environment(ENV, environ), capture_output=True, check=True, timeout=DEADLINE
    )

    assert done.stdout == b"1\n"


def test_without_an_exporter_nothing_is_started(tmp_path: Path) -> None:
    """Shards lie in the directory that was named, for somebody else to read."""
    state = tmp_path / "state"
    code = "import sqlite3; print('ran')"
    for mode in ADOPTED:
        done = subprocess.run(
            words(mode, [sys.executable, "-c", code]),
            env=environment(mode, {"MONAGENT_DIR": str(state), "MONAGENT_EXPORTER": "off"}),
            capture_output=True,
            check=True,
        )
        assert (done.stdout, done.stderr) == (b"ran\n", b"")

    assert len(list(state.glob("*.shard"))) == 2
    assert not (state / "exporter.lock").exists()
