"""Who is alive, told from a made-up /proc: pids come again, exec keeps them, namespaces hide
them."""

from __future__ import annotations

import os
from pathlib import Path

from monagent.store import process
from monagent.store.process import Identity


class Proc:
    """A /proc of our own making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.put("self", 1)

    def put(
        self, pid: int | str, ticks: int, state: str = "S", parent: int = 1, arguments: int = 900
    ) -> None:
        """A process with the nastiest of names."""
        place = self.path / str(pid)
        place.mkdir(exist_ok=True)
        fields = ["0"] * 50
        fields[0], fields[1], fields[19], fields[45] = (
            state,
            str(parent),
            str(ticks),
            str(arguments),
        )
        (place / "stat").write_text(f"{pid} (a) S (b)) {' '.join(fields)}\n")

    def clock(self, pid: int | str, namespace: int) -> None:
        """The process lives in this time namespace: a file for each stands in for the kernel's."""
        (self.path / str(pid) / "ns").mkdir()
        (self.path / f"clock-{namespace}").touch()
        os.link(self.path / f"clock-{namespace}", self.path / str(pid) / "ns" / "time")

    def __str__(self) -> str:
        return str(self.path)


def no_signal(pid: int, number: int) -> None:
    """Who is not in /proc is not there."""
    assert pid == 9
    raise ProcessLookupError


def test_a_process_is_its_pid_and_its_start(tmp_path: Path) -> None:
    """Alive; another process with its pid; gone; a zombie."""
    proc = Proc(tmp_path)
    proc.put(7, 100)
    proc.put(8, 100, "Z")
    here = [
        process.alive(Identity(pid, ticks, 0, 0), str(proc), no_signal)
        for pid, ticks in ((7, 100), (7, 99), (9, 100), (8, 100), (7, 0))
    ]

    assert here == [True, False, False, False, True]


def test_a_program_that_was_replaced_by_exec_is_gone(tmp_path: Path) -> None:
    """Pid and start stay, the place of the arguments moves; where it is not told, nothing is
    concluded."""
    proc = Proc(tmp_path)
    proc.put(7, 100, arguments=900)
    proc.put(8, 100, arguments=0)
    here = [
        process.alive(Identity(pid, 100, arguments, 0), str(proc), no_signal)
        for pid, arguments in ((7, 900), (7, 901), (7, 0), (8, 900))
    ]

    assert here == [True, False, True, True]


def test_without_proc_whoever_answers_a_signal_is_alive(tmp_path: Path) -> None:
    """Answered, not permitted, not there."""

    def signal(pid: int, number: int) -> None:
        if pid == 2:
            raise PermissionError
        if pid == 3:
            raise ProcessLookupError

    here = [
        process.alive(Identity(pid, 0, 0, 0), str(tmp_path / "none"), signal) for pid in (1, 2, 3)
    ]

    assert here == [True, True, False]


def test_a_process_that_proc_hides_is_alive(tmp_path: Path) -> None:
    """Mounted with hidepid, /proc has only those whom we may trace: no program with capabilities of
    its own, not even our user's."""

    def signal(pid: int, number: int) -> None:
        if pid != 9:
            raise ProcessLookupError

    proc = Proc(tmp_path)

    assert process.alive(Identity(9, 100, 900, 0), str(proc), signal)
    assert not process.alive(Identity(8, 100, 900, 0), str(proc), signal)


def test_a_process_of_another_namespace_counts_as_alive() -> None:
    """Its pid says nothing here."""
    own = process.own()
    stranger = Identity(own.pid, own.start_ticks + 1, 0, own.namespace + 1)
    twin = Identity(own.pid, own.start_ticks + 1, 0, own.namespace)

    assert process.alive(stranger)
    assert not process.alive(twin)


def test_a_process_of_another_time_namespace_lives_while_it_holds_its_lock(tmp_path: Path) -> None:
    """There its start is another number of ticks after boot than here."""
    proc = Proc(tmp_path)
    proc.clock("self", 1)
    for pid, namespace in ((7, 1), (8, 2)):
        proc.put(pid, 100)
        proc.clock(pid, namespace)
    here = [
        process.alive(Identity(pid, 400, 0, 0), str(proc), no_signal, held)
        for pid in (7, 8)
        for held in (lambda: True, lambda: False)
    ]

    assert here == [False, False, True, False]
    assert process.runs(8, 400, str(proc))
    assert not process.runs(7, 400, str(proc))


def test_one_knows_oneself_and_ones_parent() -> None:
    """Against the real /proc."""
    own = process.own()

    assert own.pid == os.getpid()
    assert process.start_ticks(own.pid) == own.start_ticks
    assert process.parent(own.pid) == os.getppid()
    assert process.alive(own)
    assert process.start_ticks(2**22 + 1) is None
    assert process.parent(2**22 + 1) == 0
