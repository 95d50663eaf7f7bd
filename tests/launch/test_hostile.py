"""On machines that refuse what we want the program runs, and one line says what is missing."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monagent.store.reader import scan
from tests.launch.oracle import ADOPTED, BARE, ENV, RUN, START_LINE, environment, run, words

CODE = (
    "import sqlite3; base = sqlite3.connect(':memory:'); base.execute('select 1'); base.close(); "
    "print('ran')"
)
PROGRAM = [sys.executable, "-c", CODE]

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
unshare = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs mount namespaces (unshare, root)",
)


def hidden(*mounts: str) -> list[str]:
    """A command prefix in whose mount namespace these shell lines have run."""
    return ["unshare", "-m", "sh", "-c", "; ".join(mounts) + '; exec "$@"', "sh"]


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_directory_that_others_may_write_to_is_refused(mode: str, tmp_path: Path) -> None:
    """Numbers that anybody could change are worth nothing."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)

    found = run(mode, PROGRAM, environ={"MONAGENT_DIR": str(state)})

    assert (found.code, found.stdout) == (0, b"ran\n")
    assert found.stderr.startswith(f"monagent: {state}: found mode 777".encode())
    assert found.stderr.count(b"\n") == 1


@unshare
@pytest.mark.parametrize("mode", ADOPTED)
@pytest.mark.parametrize("gone", ["/dev/shm", "everything"])
def test_without_a_place_for_state_the_program_runs(mode: str, gone: str) -> None:
    """No /dev/shm: another place is taken. No place at all: one line."""
    empty = "mount -t tmpfs -o ro none {}"
    places = ["/dev/shm", "/tmp", "/var/tmp"] if gone == "everything" else ["/dev/shm"]
    if any(str(Path(sys.prefix)).startswith(place) for place in places):
        pytest.skip("the interpreter itself lies in a folder that would be hidden")
    done = subprocess.run(
        [*hidden(*(empty.format(place) for place in places)), *words(mode, PROGRAM)],
        env=environment(mode),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, b"ran\n")
    assert (b"nothing is recorded" in done.stderr) == (gone == "everything")


@unshare
def test_a_full_dev_shm_is_no_place_for_state(tmp_path: Path) -> None:
    """Somebody else may have filled it, and containers may have one of a megabyte."""
    full = "mount -t tmpfs -o size=1m none /dev/shm; cat /dev/zero >/dev/shm/full 2>/dev/null"
    last = tmp_path / "last.prom"
    options = ["--supervise", "--textfile", str(last), "--log-level", "warning"]

    done = subprocess.run(
        [*hidden(full), *words(RUN, PROGRAM, options)],
        env=environment(RUN),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"ran\n", b"")
    assert 'db_operation_name="SELECT"' in last.read_text()


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_path_in_a_working_directory_that_is_gone_is_a_wrong_setting(
    mode: str, tmp_path: Path
) -> None:
    """Deployments replace directories under programs and the shells that start them."""
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd {gone}; rmdir {gone}; exec "$@"'

    found = run(
        BARE,
        ["sh", "-c", script, "sh", *words(mode, PROGRAM)],
        environ={**environment(mode), "MONAGENT_TEXTFILE": "last.prom", "MONAGENT_STRICT": "off"},
    )

    assert (found.code, found.stdout) == (0, b"ran\n")
    assert found.stderr.splitlines()[0] == (
        b"monagent: MONAGENT_TEXTFILE: found 'last.prom', expected an absolute path,"
        b" as the working directory is gone; using none"
    )


@pytest.mark.parametrize("supervised", [True, False])
def test_where_no_process_can_be_made_the_command_runs(supervised: bool, tmp_path: Path) -> None:
    """A limit on processes, or on those of the container: it is recorded all the same."""
    launch = (
        "import errno, os, sys\n"
        "def fork(): raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))\n"
        "os.fork = fork\n"
        "from monagent.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    state = str(tmp_path / "state")
    options = ["--port", "0", "--dir", state, f"--supervise={'on' if supervised else 'off'}"]
    line = [sys.executable, "-I", "-c", launch, "run", *options, *PROGRAM]

    found = run(BARE, line, environ={"MONAGENT_LOG_LEVEL": "warning"})

    assert (found.code, found.stdout) == (0, b"ran\n")
    lines = [b"cannot start the exporter: Resource temporarily unavailable; trying again\n"]
    if supervised:
        lines.insert(
            0, b"Resource temporarily unavailable: cannot supervise, the command is run alone\n"
        )
    assert found.stderr == b"".join(b"monagent: " + line for line in lines)
    assert scan(state)


@pytest.mark.parametrize("mode", ADOPTED)
@pytest.mark.parametrize("limit", [12, 64])
def test_few_descriptors_are_enough(mode: str, limit: int) -> None:
    """`ulimit -n 64`, and far less than a Python program is happy with."""

    def narrow() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    found = run(mode, PROGRAM, preexec=narrow)

    assert (found.code, found.stdout, found.stderr) == (0, b"ran\n", b"")


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_limit_of_file_sizes_that_kills_is_not_exceeded_by_us(mode: str) -> None:
    """A sandbox whose child is killed if it writes too much: it writes nothing."""
    code = (
        "import os, resource, signal, sqlite3; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); "
        "os.fork() or (resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)), "
        "sqlite3.connect(':memory:').execute('select 1'), os.write(1, b'ran\\n'), os._exit(0)); "
        "print(os.wait()[1])"
    )

    bare, ours = (run(how, [sys.executable, "-c", code]) for how in (BARE, mode))

    assert (ours.code, ours.stdout) == (bare.code, bare.stdout) == (0, b"ran\n0\n")
    assert b"File too large; metrics of process" in ours.stderr


@root
@pytest.mark.parametrize("mode", ADOPTED)
def test_an_unknown_user_without_a_home_is_served(mode: str) -> None:
    """As containers run programs: a bare number for a user."""

    def become() -> None:
        os.setgroups([])
        os.setgid(54321)
        os.setuid(54321)

    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("no interpreter that every user may run")
    probe = subprocess.run(
        [python, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"],
        preexec_fn=become,
        check=False,
        cwd="/",
    )
    if probe.returncode or not os.access(sys.executable, os.X_OK):
        pytest.skip("the system's interpreter is too old")
    if mode == RUN:
        pytest.skip("the tests' own interpreter belongs to another user")
    environ = {"HOME": "/nonexistent"}
    found = run(mode, [python, "-c", CODE], environ=environ, preexec=become, cwd=Path("/"))

    assert (found.code, found.stdout, found.stderr) == (0, b"ran\n", b"")


@root
def test_a_child_that_gives_up_root_goes_on_counting(tmp_path: Path) -> None:
    """Its file was made before; what it could not write goes into the open descriptor."""
    code = (
        "import os, sqlite3\n"
        "base = sqlite3.connect(':memory:')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.setgid(54321); os.setuid(54321)\n"
        "    base.execute('select 1'); os._exit(0)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    last = tmp_path / "last.prom"
    options = ["--supervise", "--textfile", str(last)]

    found = run(RUN, [sys.executable, "-c", code], options=options)

    assert (found.code, found.stdout, found.stderr) == (0, b"0\n", b"")
    assert 'db_operation_name="SELECT"' in last.read_text()


@root
def test_children_of_a_process_that_has_given_up_root_count(tmp_path: Path) -> None:
    """`celery --uid` and daemons: who makes the file was never root."""
    code = (
        "import os, sqlite3, time\n"
        "base = sqlite3.connect(':memory:')\n"
        "base.execute('select 1')\n"
        "os.setgid(54321); os.setuid(54321)\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        base.execute('select 1'); os._exit(0)\n"
        "    os.wait()\n"
        "base.execute('select 1')\n"
        "time.sleep(2)\n"
    )
    last = tmp_path / "last.prom"
    options = ["--supervise", "--textfile", str(last)]

    found = run(RUN, [sys.executable, "-c", code], options=options)
    counted = [
        line.rpartition(" ")[2]
        for line in last.read_text().splitlines()
        if line.startswith("db_client_operation_duration_seconds_count")
    ]

    assert (found.code, found.stderr) == (0, b"")
    assert counted == ["4.0"]


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("mode", ADOPTED)
def test_a_wiped_directory_is_no_crash(mode: str, seen: bool, tmp_path: Path) -> None:
    """Cleaners of temporary files come at any time. Once the exporter has seen it all is silent;
    what records or begins before starts another, which may say its port."""
    state = tmp_path / "state"
    code = (
        "import os, shutil, sqlite3, subprocess, sys, time\n"
        f"announced = {str(state / 'endpoint')!r}\n"
        "ends = time.monotonic() + 30\n"
        "def wait():\n"
        f"    while {seen} and not os.path.exists(announced) and time.monotonic() < ends:\n"
        "        time.sleep(0.01)\n"
        "wait()\n"
        f"shutil.rmtree({str(state)!r}, ignore_errors=True)\n"
        "wait()\n"
        "base = sqlite3.connect(':memory:'); base.execute('select 1'); base.close()\n"
        "subprocess.run([sys.executable, '-c', 'print(1)'])\n"
        "print('ran')\n"
    )
    said = rb"" if seen else rb"(monagent: (port|metrics on) [^\n]*\n)?"
    found = run(mode, [sys.executable, "-c", code], environ={"MONAGENT_DIR": str(state)})

    assert (found.code, found.stdout) == (0, b"1\nran\n")
    assert re.fullmatch(said, found.stderr)


@pytest.mark.parametrize("mode", ADOPTED)
def test_every_file_of_ours_is_read_in_an_encoding_that_is_said(mode: str) -> None:
    """Where not to say one is a warning (PEP 597), and warnings are errors, the command runs."""
    strict = ["-W", "error", "-X", "warn_default_encoding"]
    python, *rest = words(mode, [sys.executable, *strict, *PROGRAM[1:]])
    if mode == RUN:
        rest = [*strict, *rest]

    found = run(BARE, [python, *rest], environ=environment(mode))

    assert (found.code, found.stdout) == (0, b"ran\n")
    assert START_LINE.sub(b"", found.stderr) == b""


def test_an_unreadable_bootstrap_is_silent(tmp_path: Path) -> None:
    """A PYTHONPATH that names a folder that is gone is what Python ignores."""
    found = run(ENV, PROGRAM, environ={"PYTHONPATH": str(tmp_path / "gone")})

    assert (found.code, found.stderr) == (0, b"")
