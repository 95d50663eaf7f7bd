"""Who goes on in a tree whose first process has ended while nobody records: a shell that it left in
the background and that will start another Python, a daemon that has recorded nothing yet.

Such a tree may last for long without a word (a browser, an agent of ssh): it gives its port to the
next one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from monagent import settings, tree, where
from monagent.store import directory, process, visitors

PATIENCE = 2.0
"""Seconds that an exporter has to announce its endpoint."""


def find(path: str, proc: str = "/proc") -> tuple[int, int] | None:
    """The root, as (pid, start in clock ticks), of what still runs of the tree at `path`; None when
    all have ended, or when a supervisor is there, which lets its exporter end soon anyway.

    Costs a look at the environment of every process of ours.
    """
    supervisor = directory.read_root(path, directory.SUPERVISOR)
    if supervisor is not None and process.runs(*supervisor, proc):
        return None

    def belongs(pid: int) -> bool:
        return adopted(pid) and _is_in(path, pid, proc)

    adopted = directory.adopted_by(where.bootstrap(), proc)
    try:
        names = os.listdir(proc)
    except OSError:
        return None
    for pid in [int(name) for name in names if name.isdecimal()]:
        if belongs(pid):
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


def wanted(path: str) -> bool:
    """Whether the exporter of a tree beside this one has no endpoint yet: perhaps since we have its
    port."""
    above = os.path.dirname(path)
    if above != directory.home(os.path.dirname(above)):
        return False
    try:
        names = os.listdir(above)
    except OSError:
        return False
    return any(_waits(f"{above}/{name}") for name in names if f"{above}/{name}" != path)


def _waits(path: str) -> bool:
    try:
        begun = os.stat(f"{path}/{directory.LOCK}").st_mtime
    except OSError:
        return False
    if tree.endpoint(path) is not None or time.time() - begun < PATIENCE:
        return False
    return tree.exporter_pid(path) > 0


def _is_in(path: str, pid: int, proc: str) -> bool:
    """Whether what this process starts records there; no exporter waits for another one, nor for
    itself."""
    environ = process.environ(pid, proc)
    return _chosen(environ) == path and not _exports(pid, proc) and settings.load(environ).enabled


def _chosen(environ: Mapping[str, str]) -> str | None:
    return environ.get(directory.VARIABLE) or where.told(environ)


def _exports(pid: int, proc: str) -> bool:
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            return os.fsencode(where.EXPORTER) in file.read().split(b"\0")
    except OSError:
        return True  # It has ended.
