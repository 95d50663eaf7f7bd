"""Who goes on in a tree whose first process has ended while nobody records: a shell that it left in
the background, which may start another Python.

What else it left (a browser, an agent of ssh, a `sleep`) starts none that it would count: there the
tree has ended, and its endpoint tells so. A shell may last for long as well: its tree gives the
port to the next one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from socket import socket

from monagent import settings, tree, where
from monagent.exporter import waiting
from monagent.store import directory, process, visitors

SHELLS = frozenset(b"ash bash busybox csh dash fish ksh mksh sh tcsh zsh".split())


def find(path: str, proc: str = "/proc") -> tuple[int, int] | None:
    """The root, as (pid, start in clock ticks), of what still runs of the tree at `path`; None when
    all have ended, or when a supervisor is there, which lets its exporter end soon anyway.

    Costs a look at every process, and at the environment of every shell of ours.
    """
    supervisor = directory.read_root(path, directory.SUPERVISOR)
    if supervisor is not None and process.runs(*supervisor, proc):
        return None

    def belongs(pid: int) -> bool:
        return adopted(pid) is True and _is_in(path, pid, proc)

    adopted = directory.adopted_by(where.bootstrap(), os.environ, proc)
    try:
        names = os.listdir(proc)
    except OSError:
        return None
    for pid in [int(name) for name in names if name.isdecimal()]:
        if _is_shell(pid, proc) and belongs(pid):
            root, ticks = directory.tree_root(belongs, pid, proc)
            if ticks:
                return root, ticks
    return None


def succeed(path: str, root: tuple[int, int]) -> None:
    """Make it the tree's first process, for all who ask; raises OSError."""
    try:
        os.unlink(f"{path}/{directory.ROOT}")
    except FileNotFoundError:
        pass
    directory.write_root(path, root)
    if not os.geteuid():
        visitors.receive(path, root)


def wanted(path: str, sock: socket | None) -> bool:
    """Whether the exporter of a tree beside this one has no endpoint, since this socket has its
    port."""
    if sock is None:
        return False
    above = os.path.dirname(path)
    if above != directory.home(os.path.dirname(above)):
        return False
    try:
        names = os.listdir(above)
    except OSError:
        return False
    others = [f"{above}/{name}" for name in names if f"{above}/{name}" != path]
    return any(waiting.waits_for(one, sock) and tree.exporter_pid(one) > 0 for one in others)


def _is_in(path: str, pid: int, proc: str) -> bool:
    """Whether what this process starts records there; no exporter waits for another one, nor for
    itself."""
    environ = process.environ(pid, proc)
    return _chosen(environ) == path and not _exports(pid, proc) and settings.load(environ).enabled


def _chosen(environ: Mapping[str, str]) -> str | None:
    return environ.get(directory.VARIABLE) or where.told(environ)


def _is_shell(pid: int, proc: str) -> bool:
    name = _words(pid, proc)[0].rpartition(b"/")[2]
    return name.removeprefix(b"-") in SHELLS  # One that a login begins has a dash.


def _exports(pid: int, proc: str) -> bool:
    return os.fsencode(where.EXPORTER) in _words(pid, proc)


def _words(pid: int, proc: str) -> list[bytes]:
    """The command line, a word of no letters if it has ended."""
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return [b""]
