"""`--supervise`: the command is a job of ours, and its last numbers are delivered before we end."""

from __future__ import annotations

import http.server
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.oracle import BARE, DEADLINE, RUN, environment, run, words

SUPERVISED = ("--supervise",)


def start(code: str, *options: str, **environ: str) -> subprocess.Popen[bytes]:
    """A supervised Python program whose stdout is a pipe."""
    return subprocess.Popen(
        words(RUN, [sys.executable, "-c", code], [*SUPERVISED, *options]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(RUN, environ),
    )


def until(master: int, wanted: bytes) -> bytes:
    """What a terminal shows up to these bytes."""
    seen = b""
    end = time.monotonic() + DEADLINE
    while wanted not in seen:
        assert time.monotonic() < end, seen
        if select.select([master], [], [], 0.1)[0]:
            seen += os.read(master, 4096)
    return seen


@pytest.mark.parametrize(
    "code",
    [
        "print('x')",
        "import sys; sys.exit(9)",
        "raise ValueError('x')",
        "import os; os._exit(3)",
        "import sys; print(sys.stdin.read())",
    ],
)
def test_code_and_streams_are_those_of_the_command(code: str) -> None:
    """With a parent in between, too."""
    command = [sys.executable, "-c", code]

    assert run(RUN, command, options=SUPERVISED, stdin=b"in") == run(BARE, command, stdin=b"in")


def test_a_parent_that_ignores_its_children_does_not_keep_us_for_ever() -> None:
    """Begun with SIGCHLD ignored we would hear of no end; the command still gets it so."""

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    ignored = "signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN"
    command = [sys.executable, "-c", f"import signal, sys; print({ignored}); sys.exit(9)"]
    found = run(RUN, command, options=SUPERVISED, preexec=ignore)

    assert found == run(BARE, command, preexec=ignore)
    assert (found.code, found.stdout.rstrip()) == (9, b"True")


def test_sockets_that_systemd_gives_are_the_commands() -> None:
    """It names the pid that they are for, and a server listens elsewhere if that is another's."""
    code = (
        "import os; get = os.environ.get\n"
        "print(get('LISTEN_PID') == str(os.getpid()), get('LISTEN_PIDFDID'), get('WATCHDOG_PID'))"
    )
    activate = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_PIDFDID=7 WATCHDOG_PID=1 exec "$@"', "sh"]
    supervised = words(RUN, [sys.executable, "-c", code], SUPERVISED)
    seen = run(BARE, activate + supervised, environ={"MONAGENT_EXPORTER": "off"})

    assert seen.stdout == b"True None 1\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_command_killed_by_a_signal_gives_128_more(number: int) -> None:
    """As a shell says it."""
    code = f"import os; os.kill(os.getpid(), {int(number)})"

    assert run(RUN, [sys.executable, "-c", code], options=SUPERVISED).code == 128 + number


def test_an_unknown_command_is_127() -> None:
    """Nothing was started for it."""
    assert run(RUN, ["no-such-command"], options=SUPERVISED).code == 127


FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGTTIN", "SIGTTOU")


@pytest.mark.parametrize("number", [signal.Signals[name] for name in FORWARDED])
def test_signals_are_forwarded_once(number: int) -> None:
    """The command hears each one time, and decides: gunicorn adds a worker at a SIGTTIN."""
    code = (
        "import signal, sys, time\n"
        "heard = []\n"
        f"signal.signal({int(number)}, lambda n, f: heard.append(n))\n"
        "print('ready', flush=True)\n"
        "while not heard: time.sleep(0.01)\n"
        "time.sleep(0.2); print(len(heard)); sys.exit(7)\n"
    )
    process = start(code)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    out, _ = process.communicate(timeout=DEADLINE)

    assert (process.returncode, out) == (7, b"1\n")


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN])
def test_a_command_that_is_stopped_and_continued_alone_ends_as_ever(number: int) -> None:
    """By a debugger or an operator: nobody would continue the supervisor."""
    process = start("import os, time; print(os.getpid(), flush=True); time.sleep(0.2); exit(3)")
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    os.kill(pid, number)
    end = time.monotonic() + DEADLINE
    while _state(pid) != "T":
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.2)  # The supervisor hears of it.
    os.kill(pid, signal.SIGCONT)
    try:
        process.communicate(timeout=DEADLINE / 4)
    finally:
        process.kill()

    assert process.returncode == 3


def test_the_command_does_not_outlive_a_killed_supervisor() -> None:
    """`kill -9` of the process that was started ends the program, as it does without us."""
    process = start("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=DEADLINE)
    end = time.monotonic() + DEADLINE
    while _state(pid) not in ("", "Z"):
        assert time.monotonic() < end
        time.sleep(0.01)

    assert process.returncode == -signal.SIGKILL


def test_orphans_are_reaped() -> None:
    """A grandchild whose parent has ended becomes ours; none stays a zombie."""
    code = (
        "import os, sys, time\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        os.write(write, b'%d' % os.getpid()); os._exit(0)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "pid = int(os.read(read, 20))\n"
        "while os.path.exists(f'/proc/{pid}'): time.sleep(0.01)\n"
        "print('gone')\n"
    )

    assert run(RUN, [sys.executable, "-c", code], options=SUPERVISED).stdout == b"gone\n"


def test_ctrl_c_reaches_the_command_once_and_ctrl_z_stops_the_job() -> None:
    """The terminal is the command's; a shell sees the job stop and continues it."""
    code = (
        "import os, signal, sys, time\n"
        "heard = []\n"
        "signal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
        "print('mine', os.tcgetpgrp(0) == os.getpgrp())\n"
        "while not heard: time.sleep(0.01)\n"
        "time.sleep(0.2); print('heard', len(heard))\n"
        "print('>', input())\n"
    )
    pid, master = pty.fork()
    if pid == 0:
        command = words(RUN, [sys.executable, "-c", code], SUPERVISED)
        # As an interactive shell does, so that the job has a parent that it can return to.
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            os.tcsetpgrp(0, os.getpgrp())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTTOU])
            os.execve(command[0], command, environment(RUN))
        _, status = os.waitpid(job, os.WUNTRACED)
        stopped = os.WIFSTOPPED(status)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        back = os.tcgetpgrp(0) == job
        os.write(1, f"stopped {stopped} {back}\n".encode())
        os.killpg(job, signal.SIGCONT)
        _, status = os.waitpid(job, 0)
        os._exit(os.waitstatus_to_exitcode(status))
    until(master, b"mine True")
    os.write(master, b"\x1a")
    until(master, b"stopped True True")
    os.write(master, b"\x03")
    until(master, b"heard 1")
    os.write(master, b"typed\n")
    until(master, b"> typed")
    _, status = os.waitpid(pid, 0)
    os.close(master)

    assert os.waitstatus_to_exitcode(status) == 0


class Gateway(http.server.BaseHTTPRequestHandler):
    """A Pushgateway that takes its time."""

    def do_PUT(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.3)
        bodies: list[bytes] = self.server.bodies  # type: ignore[attr-defined] # set below
        bodies.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[bytes]]]:
    """A URL, and what was pushed to it."""
    with http.server.HTTPServer(("127.0.0.1", 0), Gateway) as server:
        bodies: list[bytes] = []
        server.bodies = bodies  # type: ignore[attr-defined] # a place both sides know
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


def test_it_ends_only_when_the_last_numbers_are_delivered(
    gateway: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    """A program of a moment: its numbers have arrived when the command returns."""
    url, bodies = gateway
    file = tmp_path / "last.prom"
    options = [*SUPERVISED, "--pushgateway", url, "--textfile", str(file)]

    found = run(RUN, [sys.executable, "-c", "print(1)"], options=options)

    assert (found.code, found.stdout) == (0, b"1\n")
    assert [b"monagent_build_info" in body for body in bodies] == [True]
    assert "monagent_build_info" in file.read_text()


def test_a_last_delivery_that_fails_is_told(tmp_path: Path) -> None:
    """The command has ended by then, and with it the stderr of the tree's root."""
    state, missing = tmp_path / "state", tmp_path / "missing" / "last.prom"
    options = [*SUPERVISED, "--dir", str(state), "--textfile", str(missing)]

    found = run(RUN, [sys.executable, "-c", "print(1)"], options=options)

    assert (found.code, found.stdout) == (0, b"1\n")
    told = f"monagent: the last numbers were not delivered to {missing}: No such file or directory"
    assert found.stderr.decode() == f"{told}\n"
    assert os.listdir(state) == []


KILLER = """
import os, signal, time
from monagent import tree
state = os.environ["MONAGENT_DIR"]
while not (pid := tree.exporter_pid(state)): time.sleep(0.01)
os.kill(pid, signal.SIGKILL)
while tree.exporter_pid(state): time.sleep(0.01)
os.utime(f"{state}/exporter.lock", (0, 0))  # As if it had been begun a while ago.
"""


def test_an_exporter_that_was_killed_is_begun_anew_for_the_last_numbers(tmp_path: Path) -> None:
    """By the supervisor, where the program has not done so."""
    state, file = tmp_path / "state", tmp_path / "last.prom"
    found = run(
        RUN,
        [sys.executable, "-c", KILLER],
        environ={"MONAGENT_DIR": str(state), "MONAGENT_LOG_LEVEL": "warning"},
        options=[*SUPERVISED, "--textfile", str(file)],
    )

    assert (found.code, found.stdout, found.stderr) == (0, b"", b"")
    assert "monagent_build_info" in file.read_text()
    assert os.listdir(state) == []


def test_that_there_is_no_exporter_for_the_last_numbers_is_told(tmp_path: Path) -> None:
    """The one that is begun anew refuses a directory that others can write to."""
    state, file = tmp_path / "state", tmp_path / "last.prom"
    found = run(
        RUN,
        [sys.executable, "-c", KILLER + "os.chmod(state, 0o777)"],
        environ={"MONAGENT_DIR": str(state)},
        options=[*SUPERVISED, "--textfile", str(file)],
    )

    assert (found.code, found.stdout, file.exists()) == (0, b"", False)
    assert found.stderr == b"monagent: the exporter ended too early; last numbers may be missing\n"


def test_processes_that_outlive_the_command_do_not_hold_it_for_ever(tmp_path: Path) -> None:
    """A daemon left behind is no reason to wait; what is known by then is delivered."""
    file = tmp_path / "last.prom"
    daemon = "import time; time.sleep(60)"
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {daemon!r}],\n"
        "    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(child.pid)\n"
    )
    found = run(RUN, [sys.executable, "-c", code], options=[*SUPERVISED, "--textfile", str(file)])
    pid = int(found.stdout)
    alive = _state(pid)
    os.kill(pid, signal.SIGKILL)

    assert alive in list("RSD")  # it may still be about to begin
    assert "monagent_build_info" in file.read_text()


def _state(pid: int) -> str:
    """Its letter in proc(5); none of a process that is gone, be it while we look."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]

first_process = pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="needs pid namespaces (unshare, root)",
)


@first_process
@pytest.mark.parametrize("code", [0, 7])
def test_the_first_process_of_a_container_supervises_by_itself(code: int, tmp_path: Path) -> None:
    """With it everything dies, the exporter too, so it stays for a delivery that is configured."""
    file = tmp_path / "last.prom"
    command = words(RUN, [sys.executable, "-c", f"import sys; sys.exit({code})"])
    done = subprocess.run(
        [*NAMESPACE, *command],
        env=environment(RUN, {"MONAGENT_TEXTFILE": str(file)}),
        capture_output=True,
        check=False,
        timeout=DEADLINE,
    )

    assert done.returncode == code
    assert "monagent_build_info" in file.read_text()


@first_process
def test_the_first_process_of_a_container_becomes_the_command_without_a_delivery() -> None:
    """Nobody waits for anything: exec, as everywhere else."""
    command = words(RUN, [sys.executable, "-c", "import os; print(os.getpid())"])
    done = subprocess.run(
        [*NAMESPACE, *command],
        env=environment(RUN),
        capture_output=True,
        check=False,
        timeout=DEADLINE,
    )

    assert (done.returncode, done.stdout) == (0, b"1\n")
