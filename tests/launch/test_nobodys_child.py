"""The exporter that takes a killed one's place is nobody's child, not for a moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monagent import native, tree
from tests.launch.oracle import DEADLINE, RUN, environment, words

IN_C = pytest.mark.skipif(native.part is None, reason="the part in C was not built")

WAITS = """\
import os, signal, sqlite3, sys, threading, time

reads, told = os.pipe()
os.set_blocking(told, False)
signal.set_wakeup_fd(told)  # A byte for each, whichever thread it interrupts.
signal.signal(signal.SIGCHLD, lambda *_: None)

def work():
    base = sqlite3.connect(":memory:")
    while True:
        base.execute("select 1")
        time.sleep(0.05)

child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(3)
sys.stdin.close()
threading.Thread(target=work, daemon=True).start()
found, status = os.wait()
print(found == child, os.waitstatus_to_exitcode(status), len(os.read(reads, 99)), flush=True)
"""

FORKS = """\
import os, select, sqlite3, time

base = sqlite3.connect(":memory:")
most = 0
while not select.select([0], [], [], 0)[0]:
    base.execute("select 1")
    most = max(most, len(os.listdir("/proc/self/task")))
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.wait() == (child, 0)
    time.sleep(0.001)
print(most, flush=True)
"""

WORKS = """\
import os, select, sqlite3, threading, time

threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
base = sqlite3.connect(":memory:")
while not select.select([0], [], [], 0.01)[0]:
    base.execute("select 1")
try:
    while True:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        time.sleep(0.01)
except ChildProcessError:
    print("none is left", flush=True)
"""

SHOWS = """\
import os, signal, sys, json

held = {}
for fd in os.listdir("/proc/self/fd"):
    if os.path.exists(f"/proc/self/fd/{fd}"):
        held[fd] = os.readlink(f"/proc/self/fd/{fd}")
found = {
    "argv": sys.argv[2:],
    "environ": os.environb[b"SHOWN"].decode("latin-1"),
    "held": held,
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "ignored": [number for number in range(1, 32) if signal.getsignal(number) == signal.SIG_IGN],
    "leads": os.getsid(0) == os.getpid(),
    "session": os.getsid(0),
}
with open(sys.argv[1] + ".new", "w") as file:
    json.dump(found, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""

STARTS = """\
import os, signal, sys
from monagent import _native

signal.signal(signal.SIGCHLD, lambda *_: print("SIGCHLD"))
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
pipe = os.pipe()
os.set_inheritable(pipe[1], True)
argv = [sys.executable, "-S", "-c", sys.argv[1], sys.argv[2], "\u00e4", ""]
argv = tuple(map(os.fsencode, argv))
environ = (b"SHOWN=\\xff = \\xe4",)
for _ in range(100):
    assert not _native.orphaned((b"/nowhere/python",), environ, pipe)
assert _native.orphaned(argv, environ, pipe)
for option in (0, 0x40000000):  # __WALL: those of __WCLONE, too
    try:
        print("a child:", os.waitpid(-1, os.WNOHANG | option))
    except ChildProcessError:
        pass
os.write(pipe[1], b"open")
print(signal.pthread_sigmask(signal.SIG_BLOCK, []) == {signal.SIGTERM}, os.getsid(0))
"""


def _until(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


def _of_a_killed_exporter(code: str, way: str, state: Path) -> tuple[bytes, bytes]:
    """What a program writes in which the exporter is replaced, until its stdin ends."""
    places = {"MONAGENT_DIR": str(state), "MONAGENT_NATIVE": way, "PYTHONWARNINGS": "default"}
    program = subprocess.Popen(
        words(RUN, [sys.executable, "-c", code], ["--log-level", "warning"]),
        env=environment(RUN, places),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        _until(lambda: bool(tree.endpoint(str(state))), "the exporter")
        _until(lambda: tree.exporter_pid(str(state)) > 0, "its lock")
        first = tree.exporter_pid(str(state))
        os.kill(first, signal.SIGKILL)
        _until(lambda: not tree.exporter_pid(str(state)), "its end")
        # As if it had been begun a while ago.
        os.utime(state / "exporter.lock", (0, 0))
        _until(lambda: tree.exporter_pid(str(state)) > 0, "another exporter")
        return program.communicate(timeout=DEADLINE)
    finally:
        program.kill()
        program.communicate()
        _until(lambda: not tree.exporter_runs(str(state)), "the exporter's end")


@IN_C
def test_a_program_that_waits_for_any_child_meets_its_own(tmp_path: Path) -> None:
    """While another thread of it starts the exporter: no stranger, and one SIGCHLD."""
    assert _of_a_killed_exporter(WAITS, "on", tmp_path / "state") == (b"True 3 1\n", b"")


@pytest.mark.parametrize("way", [pytest.param("on", marks=IN_C), "off"])
def test_a_program_of_one_thread_stays_one(way: str, tmp_path: Path) -> None:
    """Python 3.12 warns of a fork beside another thread; and it meets no child but its own."""
    assert _of_a_killed_exporter(FORKS, way, tmp_path / "state") == (b"1\n", b"")


def test_without_the_part_in_c_the_child_of_a_moment_is_waited_for(tmp_path: Path) -> None:
    """Where other threads run, by one that ends with it."""
    assert _of_a_killed_exporter(WORKS, "off", tmp_path / "state") == (b"none is left\n", b"")


@IN_C
def test_an_orphan_has_nothing_of_the_program(tmp_path: Path) -> None:
    """No descriptor, blocked signal or session, but the arguments and variables that are for it;
    in the program nothing has changed, also where it could not be started."""
    shown = tmp_path / "shown"
    done = subprocess.run(
        [sys.executable, "-c", STARTS, SHOWS, str(shown)],
        env=environment(RUN),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    _until(shown.exists, "the orphan")
    found = json.loads(shown.read_text())
    session = found.pop("session")

    assert done.stdout == f"True {os.getsid(0)}\n"
    assert session != os.getsid(0)
    assert found == {
        "argv": ["\u00e4", ""],
        "environ": "\u00ff = \u00e4",
        "held": dict.fromkeys("012", "/dev/null"),
        "blocked": [],
        "ignored": [signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ],
        "leads": False,
    }
