"""A program ends under monagent as it ends without: same code, same signal, same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch.oracle import ADOPTED, BARE, RUN, environment, run, same, words

ENDS = {
    "falls off": "print('done')",
    "sys.exit 0": "import sys; sys.exit()",
    "sys.exit 7": "import sys; sys.exit(7)",
    "sys.exit text": "import sys; sys.exit('no')",
    "exception": "def f():\n    raise ValueError('x')\nf()",
    "os._exit": "import os; print('lost', end=''); os._exit(3)",
    "abort": "import os; os.abort()",
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "KeyboardInterrupt": "import os, signal; os.kill(os.getpid(), signal.SIGINT); input()",
    "closed stdout": "import os; os.close(1); print('x')",
    "exit hooks": "import atexit; atexit.register(print, 'bye'); print('hello')",
    # Python empties its modules, monagent's before the program's, which the interpreter holds.
    "destructors": (
        "import __main__, os, sqlite3\n"
        "class Store:\n"
        "    def __init__(self):\n"
        "        self.database, self.write = sqlite3.connect(':memory:'), os.write\n"
        "    def __del__(self):\n"
        "        self.database.execute('select 1')\n"
        "        self.write(1, b'stored')\n"
        "store = Store()\n"
        "os.register_at_fork(after_in_child=lambda: store)\n"
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_as_without_monagent(end: str) -> None:
    """Exit code, stdout and stderr are equal for every way to end."""
    same([sys.executable, "-c", ENDS[end]])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_the_process_that_was_started_gets_the_signal(number: int) -> None:
    """exec keeps the pid, so that a signal to it reaches the program and ends it the same way."""
    # In short sleeps: one that begins just after an interrupt would be slept to its end.
    code = "import os, time\nprint(os.getpid(), flush=True)\nwhile True: time.sleep(0.01)"
    for mode in (BARE, *ADOPTED):
        process = subprocess.Popen(
            words(mode, [sys.executable, "-c", code]),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(mode),
        )
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(number)
        process.stdout.close()

        assert (pid, process.wait(30)) == (process.pid, -number)


def test_handlers_of_the_program_run() -> None:
    """A program that handles SIGTERM is asked, and what it says and returns is kept."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )

    assert same([sys.executable, "-c", code]).code == 5


def test_ignored_and_default_signals_are_handed_on_as_they_came() -> None:
    """A shell's children see no SIGPIPE ignored by our Python, and keep what was ignored before."""
    # With a slash, so that subprocess starts it the way it starts the launcher: from 3.13 on that
    # is posix_spawn, with which glibc leaves two signals of its own ignored.
    show = ["/bin/sh", "-c", "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status"]

    same(show)
    same(["sh", "-c", "yes | head -n 1; echo ${PIPESTATUS:-none}"])
    same([shutil.which("nohup") or "nohup", *show])


def test_an_unknown_command_is_127_and_one_line() -> None:
    """Like a shell, and without starting anything."""
    found = run(RUN, ["no-such-command-anywhere"])

    assert found.code == 127
    assert found.stderr == b"monagent: no-such-command-anywhere: command not found\n"


def test_a_file_that_cannot_be_executed_is_126_and_one_line(tmp_path: Path) -> None:
    """Like a shell, for files without permission and for folders."""
    plain = tmp_path / "plain"
    plain.write_text("")

    for path in (plain, tmp_path):
        found = run(RUN, [str(path)])
        assert found.code == 126
        assert found.stderr == f"monagent: {path}: command not executable\n".encode()


def test_a_script_without_an_interpreter_line_runs_in_sh(tmp_path: Path) -> None:
    """As execvp(3) and every shell have it."""
    script = tmp_path / "script"
    script.write_text("echo from $0 with $1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)

    found = run(RUN, [str(script), "x"])

    assert found == run(BARE, ["sh", str(script), "x"])


def test_the_working_directory_does_not_lead_to_a_command(tmp_path: Path) -> None:
    """A name without a slash is looked for on PATH alone."""
    script = tmp_path / "only-here"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    assert run(RUN, ["only-here"], cwd=tmp_path).code == 127
    assert run(RUN, ["./only-here"], cwd=tmp_path).code == 0


def test_options_end_at_the_command(tmp_path: Path) -> None:
    """Words behind the command are its own, whatever they look like."""
    code = "import sys; print(sys.argv[1:])"
    command = [sys.executable, "-c", code, "--port", "5", "--", "-x"]

    found = same(command)

    assert found.stdout == b"['--port', '5', '--', '-x']\n"


def test_switched_off_it_leaves_no_trace(tmp_path: Path) -> None:
    """MONAGENT_ENABLED=off: the same environment, and no state anywhere."""
    code = "import os; print(sorted(os.environ.items()))"
    off = {"MONAGENT_ENABLED": "off", "TMPDIR": str(tmp_path)}
    bare = run(BARE, [sys.executable, "-c", code], environ=off)

    for command in ([sys.executable, "-c", code],):
        found = run(RUN, command, environ=off)
        expected = bare.stdout.replace(b"]", b"]")
        assert found.stderr == b""
        assert os.listdir(tmp_path) == []
        assert b"bootstrap" not in found.stdout
        assert expected.count(b"MONAGENT_") + 1 == found.stdout.count(b"MONAGENT_")  # --port


def test_a_ctrl_c_while_the_launcher_reads_its_settings_ends_it_without_a_word(
    tmp_path: Path,
) -> None:
    """As it would have ended the command a moment later; no traceback of our own Python."""
    slow = tmp_path / "slow.conf"
    os.mkfifo(slow)
    launcher = subprocess.Popen(
        words(RUN, ["true"]),
        env=environment(RUN, {"MONAGENT_CONFIG": str(slow)}),
        stderr=subprocess.PIPE,
    )
    with launcher:
        with open(slow, "wb"):  # Open for writing once it is open for reading.
            launcher.send_signal(signal.SIGINT)
        _, said = launcher.communicate(timeout=60)

    assert (launcher.returncode, said) == (-signal.SIGINT, b"")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_signal_ends_doctor_and_the_command_it_runs(
    tmp_path: Path, number: int, code: int
) -> None:
    """By the signal, as a shell wants it; its exporter ends too, and nothing is left on disk."""
    place = tmp_path / "temporary"
    place.mkdir()
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    line = ["sh", "-c", 'echo $$ >"$0"; exec sleep 1000', str(begun)]
    doctor = subprocess.Popen(
        [sys.executable, "-I", "-m", "monagent", "doctor", "--seconds", "1000", *line],
        env=environment(BARE, {"TMPDIR": str(place)}),
        stderr=subprocess.PIPE,
    )
    with doctor:
        pid = int(begun.read_text())
        doctor.send_signal(number)
        _, said = doctor.communicate(timeout=60)

    assert (doctor.returncode, said) == (code, b"")
    assert not os.path.exists(f"/proc/{pid}")
    assert list(place.iterdir()) == []
