"""Lines on the stderr of a program: only where that is still what it was, and over nothing."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monagent.exporter.voice import Voice
from monagent.store import directory
from tests.exporter.running import write_root


@contextmanager
def program(
    state: Path, *redirected: str, then: str = ":", stderr: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A shell that is the tree's root, redirected so from its start.

    When it is told to it does as `then` says, and answers that it has.
    """
    script = f"exec {' '.join(redirected)}; echo; read go; {then}; echo; read go; {then}"
    child = subprocess.Popen(
        ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
    )
    assert child.stdout is not None
    child.stdout.readline()
    write_root(state, child.pid)
    try:
        yield child
    finally:
        child.communicate(b"\n\n")


def go_on(child: subprocess.Popen[bytes]) -> None:
    """Has it do what it is to do."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    child.stdout.readline()


def logged(state: Path) -> str:
    """What the log says behind the date."""
    return (state / directory.LOG).read_text().partition(" ")[2]


def test_a_line_goes_to_the_stderr_that_the_tree_began_with(tmp_path: Path) -> None:
    """A pipe, for instance, which the exporter holds for no longer."""
    with program(tmp_path, stderr=subprocess.PIPE) as child:
        Voice(str(tmp_path), "info").say("hello")
        assert child.stderr is not None
        said = child.stderr.readline()

    assert said == b"monagent: hello\n"
    assert logged(tmp_path) == "hello\n"


@pytest.mark.parametrize("at_first", ["2>&-", "2>/dev/null"])
def test_a_file_that_the_program_opened_in_its_place_takes_none(
    tmp_path: Path, at_first: str
) -> None:
    """Descriptor 2 may be somebody's data by now."""
    data = tmp_path / "data"
    with program(tmp_path, at_first, then=f"exec 2>>{data}; echo row >&2") as child:
        voice = Voice(str(tmp_path), "info")
        go_on(child)
        voice.say("hello")
        Voice(str(tmp_path), "info").say("a later exporter's")

    assert data.read_text() == "row\nrow\n"
    assert len((tmp_path / directory.LOG).read_text().splitlines()) == 2


def test_what_was_noted_outlives_a_wiped_directory(tmp_path: Path) -> None:
    """The exporter that notices leaves it for those that come later."""
    with program(tmp_path, stderr=subprocess.PIPE) as child:
        voice = Voice(str(tmp_path), "info")
        (tmp_path / f"{directory.ROOT}{directory.STDERR}").unlink()
        voice.note()
        Voice(str(tmp_path), "info").say("hello")
        assert child.stderr is not None
        said = child.stderr.readline()

    assert said == b"monagent: hello\n"


@pytest.mark.parametrize("redirection", ["2>", "2>>"])
def test_in_a_plain_file_neither_the_line_nor_the_program_writes_over_the_other(
    tmp_path: Path, redirection: str
) -> None:
    """Without O_APPEND the program goes on where it left off."""
    file = tmp_path / "errors"
    with program(tmp_path, f"{redirection} {file}", then="echo mine >&2") as child:
        go_on(child)
        Voice(str(tmp_path), "info").say("hello")
        go_on(child)

    assert file.read_text() == "mine\nmonagent: hello\nmine\n"


def test_where_the_programs_own_open_file_cannot_be_had_a_line_is_logged_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old kernels have no pidfd_getfd(2), and seccomp and Yama may refuse it."""

    class Refusing:
        def syscall(self, *_: int) -> int:
            ctypes.set_errno(1)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Refusing())
    file = tmp_path / "errors"
    before = len(os.listdir("/proc/self/fd"))
    with program(tmp_path, f"2> {file}", then="echo mine >&2") as child:
        Voice(str(tmp_path), "info").say("hello")
        go_on(child)

    assert file.read_text() == "mine\nmine\n"
    assert logged(tmp_path) == "hello\n"
    assert len(os.listdir("/proc/self/fd")) == before
