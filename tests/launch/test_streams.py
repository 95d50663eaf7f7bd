"""Streams and terminals belong to the program: nothing is added, held open or read."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from tests.launch.oracle import ADOPTED, DEADLINE, ENV, RUN, environment, same, words


def test_stdin_reaches_the_program_to_its_last_byte() -> None:
    """Whatever was sent before the program started is still there."""
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"

    found = same([sys.executable, "-c", code], stdin=bytes(range(256)) * 1000)

    assert len(found.stdout) == 256_000


def test_closed_streams_stay_closed() -> None:
    """Neither socket nor state file takes the place of a standard descriptor."""
    show = (
        "import os\n"
        "def there(fd):\n"
        "    try:\n        os.fstat(fd); return True\n"
        "    except OSError:\n        return False\n"
        "os.write({0}, repr([there(fd) for fd in (0, 1, 2)]).encode())"
    )
    for closed, told in (("<&-", 1), ("<&- >&-", 2), ("2>&-", 1)):
        script = f'exec "$@" {closed}'
        command = ["sh", "-c", script, "sh", sys.executable, "-c", show.format(told)]
        same(command, modes=[ENV])
        # The launcher itself is started with the descriptors closed.
        for mode in (RUN,):
            inner = words(mode, command[4:])
            bare = subprocess.run(command, capture_output=True, env=environment(mode), check=False)
            found = subprocess.run(
                [*command[:4], *inner], capture_output=True, env=environment(mode), check=False
            )
            assert found.stdout == bare.stdout
            assert bare.stderr in found.stderr


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_reader_sees_the_end_when_the_program_ends(mode: str) -> None:
    """The exporter, which lives a little longer, holds neither stdout nor stderr."""
    read, write = os.pipe()
    process = subprocess.Popen(
        words(mode, [sys.executable, "-c", "print('x')"]),
        stdout=write,
        stderr=write,
        env=environment(mode),
    )
    os.close(write)
    process.wait(DEADLINE)

    ended = time.monotonic()
    with os.fdopen(read, "rb") as pipe:
        rest = pipe.read()
    assert b"x\n" in rest
    assert time.monotonic() - ended < DEADLINE / 10


@pytest.mark.parametrize("mode", ADOPTED)
def test_descriptors_that_a_program_inherits_are_its_own(mode: str) -> None:
    """An inherited pipe ends with the program, and the program sees no further descriptors."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    code = (
        "import os, stat\n"
        "open_ = [int(n) for n in os.listdir('/proc/self/fd')]\n"
        "found = [n for n in open_ if n > 2 and os.path.exists(f'/proc/self/fd/{n}')]\n"
        "print([n for n in found if os.get_inheritable(n)])\n"
    )
    done = subprocess.run(
        words(mode, [sys.executable, "-c", code]),
        capture_output=True,
        env=environment(mode),
        pass_fds=[write],
        timeout=DEADLINE,
        check=True,
    )
    os.close(write)

    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b""
    assert done.stdout == f"[{write}]\n".encode()


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_program_has_the_terminal_it_was_given(mode: str) -> None:
    """isatty, the window and Ctrl-C are as without monagent."""
    # A call that blocks misses a signal that comes just before it begins, whatever Python runs in.
    code = (
        "import os, sys, time\n"
        "print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())\n"
        "print(os.tcgetpgrp(0) == os.getpgrp(), os.getsid(0) == os.getpid())\n"
        "try:\n    print('>', input())\n    while True: time.sleep(0.01)\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    pid, master = pty.fork()
    if pid == 0:
        command = words(mode, [sys.executable, "-c", code])
        os.execve(command[0], command, environment(mode))
    seen = _until(master, b"True True True\r\nTrue True\r\n")
    os.write(master, b"typed\n")
    seen += _until(master, b"> typed\r\n")
    os.write(master, b"\x03")
    seen += _until(master, b"interrupted\r\n")
    _, status = os.waitpid(pid, 0)
    os.close(master)

    assert seen.count(b"typed\r\n") == 2
    assert status == 0


def _until(master: int, wanted: bytes) -> bytes:
    seen = b""
    end = time.monotonic() + DEADLINE
    while wanted not in seen:
        assert time.monotonic() < end, seen
        if select.select([master], [], [], 0.1)[0]:
            seen += os.read(master, 4096)
    return seen
