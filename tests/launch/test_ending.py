"""The first process of a container that is adopted by variables alone stays for its last numbers,
since the exporter ends with it; `MONAGENT_SUPERVISE=on` has that of any tree's first process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.launch.oracle import BARE, DEADLINE, ENV, RUN, Outcome, environment, run, words
from tests.ports import free_port

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

first_process = pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="needs pid namespaces (unshare, root)",
)
SELECT = 'import sqlite3; sqlite3.connect(":memory:").execute("select 1")\n'
FIRST = [
    pytest.param(NAMESPACE, {}, marks=first_process, id="container"),
    pytest.param([], {"MONAGENT_SUPERVISE": "on"}, id="asked for"),
]
TOLD = {"MONAGENT_SUPERVISE": "on", "MONAGENT_LOG_LEVEL": "warning"}


def operations(file: Path) -> float:
    """Of databases, as delivered."""
    name = "db_client_operation_duration_seconds_count"
    lines = [line for line in file.read_text().splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def ended(file: Path, code: str, prefix: list[str], extra: dict[str, str]) -> Outcome:
    """How such a program ends, in a state directory beside the file."""
    state = {"MONAGENT_DIR": str(file.parent / "state"), "MONAGENT_TEXTFILE": str(file)}
    return run(ENV, [*prefix, sys.executable, "-c", code], environ={**state, **extra})


@pytest.mark.parametrize(("prefix", "extra"), FIRST)
def test_a_first_process_ends_when_its_last_numbers_are_delivered(
    prefix: list[str], extra: dict[str, str], tmp_path: Path
) -> None:
    """Its own, its child's, and what it records at its very end; nobody hears of the exporter."""
    file = tmp_path / "last.prom"
    code = (
        "import atexit, os, signal, sys\n"
        "signal.signal(signal.SIGCHLD, lambda *_: print('a child has ended'))\n"
        f"{SELECT}"
        "if os.fork() == 0:\n"
        "    sqlite3.connect(':memory:').execute('select 1'); sys.exit(0)\n"
        "os.wait()\n"
        "atexit.register(lambda: sqlite3.connect(':memory:').execute('select 1'))\n"
        "sys.exit(7)\n"
    )

    assert ended(file, code, prefix, extra) == Outcome(7, b"a child has ended\n", b"")
    assert operations(file) == 3
    assert os.listdir(tmp_path / "state") == []


@pytest.mark.parametrize(("prefix", "extra"), FIRST)
def test_a_server_that_is_told_to_end_delivers_what_its_workers_have_counted(
    prefix: list[str], extra: dict[str, str], tmp_path: Path
) -> None:
    """The workers of gunicorn have ended when its master does."""
    file, port = tmp_path / "last.prom", free_port()
    (tmp_path / "shop.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '2')]); return [b'ok']\n"
    )
    bound = ["--bind", f"127.0.0.1:{port}", "--workers", "2", "--log-level", "error"]
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "gunicorn", *bound, "shop:app"],
        env=environment(ENV, {**extra, "MONAGENT_TEXTFILE": str(file)}),
        cwd=tmp_path,
    )
    try:
        end = time.monotonic() + DEADLINE
        while not (seen := _answer(port)):
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(_child(process.pid) if prefix else process.pid, signal.SIGTERM)
        code = process.wait(DEADLINE)
    finally:
        process.kill()
        process.wait()

    assert (code, seen) == (0, b"ok")
    assert "http_server_request_duration_seconds_count{" in file.read_text()
    assert "http_server_worker_exits_total{" in file.read_text()


def _answer(port: int) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=DEADLINE) as answer:
            body: bytes = answer.read()
            return body
    except OSError:
        return b""


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


@first_process
@pytest.mark.parametrize("mode", [RUN, ENV])
def test_a_first_process_that_is_not_to_stay_ends_at_once(mode: str, tmp_path: Path) -> None:
    """Its exporter is killed with it."""
    file = tmp_path / "last.prom"
    options = ["--supervise=off", "--textfile", str(file)] if mode == RUN else []
    off = {} if mode == RUN else {"MONAGENT_SUPERVISE": "off", "MONAGENT_TEXTFILE": str(file)}
    command = words(mode, [sys.executable, "-c", SELECT], options)

    assert run(BARE, [*NAMESPACE, *command], environ=environment(mode, off)).code == 0
    assert not file.exists()


EXPORTER = (
    "import atexit, os, signal, subprocess, sys, time\n"
    "from monagent import tree\n"
    "state = os.environ['MONAGENT_DIR']\n"
    "while not (pid := tree.exporter_pid(state)): time.sleep(0.01)\n"
)


def test_in_the_place_of_a_killed_exporter_another_one_delivers(tmp_path: Path) -> None:
    """As under a supervisor."""
    file = tmp_path / "last.prom"
    code = (
        SELECT
        + EXPORTER
        + (
            "os.kill(pid, signal.SIGKILL)\n"
            "while tree.exporter_pid(state): time.sleep(0.01)\n"
            "os.utime(f'{state}/exporter.lock', (0, 0))\n"
        )
    )

    assert ended(file, code, [], TOLD) == Outcome(0, b"", b"")
    assert operations(file) == 1


def test_an_exporter_that_is_stuck_holds_nobody_for_ever(tmp_path: Path) -> None:
    """The program ends as it would have, what it printed has been seen before, and one line says
    what is missing."""
    file = tmp_path / "last.prom"
    code = EXPORTER + "print(pid); os.kill(pid, signal.SIGSTOP); sys.exit(5)"
    found = ended(file, code, [], TOLD)
    os.kill(int(found.stdout), signal.SIGKILL)

    assert (found.code, file.exists()) == (5, False)
    said = b"monagent: the exporter did not end in time; last numbers may be missing\n"
    assert found.stderr == said


def test_what_a_program_prints_does_not_wait_and_its_handlers_end_the_waiting(
    tmp_path: Path,
) -> None:
    """Whoever sends a second signal has no patience."""
    code = EXPORTER + (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        "print(pid); os.kill(pid, signal.SIGSTOP); sys.exit(5)\n"
    )
    state = {"MONAGENT_DIR": str(tmp_path / "state"), "MONAGENT_TEXTFILE": str(tmp_path / "file")}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(ENV, {**state, **TOLD}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    exporter = int(process.stdout.readline())
    process.terminate()
    _, stderr = process.communicate(timeout=DEADLINE)
    os.kill(exporter, signal.SIGKILL)

    assert (process.returncode, stderr) == (5, b"")


def test_nobody_but_the_first_process_stays(tmp_path: Path) -> None:
    """No child, forked or begun anew, and no interpreter beside the main one: while the exporter is
    stopped, one that waits would say that it did so in vain."""
    file = tmp_path / "last.prom"
    code = (
        SELECT
        + EXPORTER
        + (
            "os.kill(pid, signal.SIGSTOP)\n"
            f"subprocess.run([sys.executable, '-c', {SELECT!r}], check=True)\n"
            "if os.fork() == 0: sys.exit(0)\n"
            "os.wait()\n"
            "try: import _interpreters as beside\n"
            "except ImportError: import _xxsubinterpreters as beside\n"
            f"one = beside.create(); beside.run_string(one, {SELECT!r}); beside.destroy(one)\n"
            "os.kill(pid, signal.SIGCONT)\n"
            "sqlite3.connect(':memory:').execute('select 1')\n"
        )
    )

    assert ended(file, code, [], TOLD) == Outcome(0, b"", b"")
    assert operations(file) == 4


def test_threads_that_still_record_are_no_trouble(tmp_path: Path) -> None:
    """New series meet a shard whose file is gone."""
    file = tmp_path / "last.prom"
    code = SELECT + (
        "import threading\n"
        "def work():\n"
        "    number = 0\n"
        "    while True:\n"
        "        number += 1\n"
        "        try: sqlite3.connect(f'/nowhere/{number}/x')\n"
        "        except sqlite3.Error: pass\n"
        "        sqlite3.connect(':memory:').execute(f'create table t{number} (a)')\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "import time; time.sleep(2.5)\n"
    )

    assert ended(file, code, [], TOLD) == Outcome(0, b"", b"")
    assert operations(file) > 1
    assert os.listdir(tmp_path / "state") == []
