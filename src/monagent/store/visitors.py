"""A place for processes of a tree that run as another user than root, whose tree it is: services
that an entrypoint starts by gosu or su-exec, and Pythons in a server that has given root up.

Nobody but root may enter the tree's own directory. Beside it stands one in which all may leave
files and nobody may look around; the exporter reads those of the tree's users (`exporter.users`).
"""

from __future__ import annotations

import stat

from monagent.store import process
from monagent.store.directory import ROOT, home, places, read_root, write_root
from monagent.system import os
from monagent.where import VISITORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODE = 0o1733
_WRITABLE = 0o022


def receive(path: str, root: tuple[int, int]) -> None:
    """Make the place beside the directory `path` of root's tree, or take it over from the tree that
    was there before. Where it cannot be made there are no visitors."""
    place, name, above = path + VISITORS, f"{path}{VISITORS}/{ROOT}", os.path.dirname(path)
    try:
        try:
            os.mkdir(place, 0o700)
        except FileExistsError:
            if not _is_root_s(place):
                return
            os.chmod(place, 0o700)  # Nobody is to put something in the way of what follows.
        if os.path.lexists(name):
            os.unlink(name)
        write_root(place, root)
        os.chmod(name, 0o644)
        os.chmod(place, _MODE)
        # Whoever has chosen another place has chosen who may come near it.
        if above == home(os.path.dirname(above), 0):
            os.chmod(above, 0o711)
    except OSError:
        pass


def remove(path: str) -> None:
    """Take the place away, unless somebody's file lies there."""
    place = path + VISITORS
    try:
        os.unlink(f"{place}/{ROOT}")
    except OSError:
        pass
    try:
        os.rmdir(place)
    except OSError:
        pass


def find(chosen: str | None, environ: Mapping[str, str], pid: int) -> str | None:
    """The place for the process `pid`, if its tree is root's and it runs as somebody else.

    Args:
        chosen: the tree's directory if somebody has named one.
    """
    if not os.geteuid():
        return None
    if chosen is not None:
        place = chosen + VISITORS
        if not is_place(place):
            return None
        # Where proc(5) hides the processes of others (hidepid) the name alone must do.
        related = read_root(place) in [*_line(pid)] or process.start_ticks(1) is None
        return place if related else None
    line = None
    for above in [home(place, 0) for place in places(environ)]:
        if os.path.isdir(above):
            line = line or [*_line(pid)]
            for one, ticks in line:
                place = f"{above}/{one}-{ticks}{VISITORS}"
                if is_place(place):
                    return place
    return None


def is_place(path: str) -> bool:
    """Whether this is a place for visitors, and root's."""
    if not path.endswith(VISITORS) or not _is_root_s(path):
        return False
    return os.access(path, os.W_OK | os.X_OK, effective_ids=True)


def host(path: str) -> str:
    """The directory of the tree whose place for visitors this is, or the directory itself."""
    return path.removesuffix(VISITORS)


def _is_root_s(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    sticky = found.st_mode & stat.S_ISVTX or not found.st_mode & _WRITABLE
    return stat.S_ISDIR(found.st_mode) and not found.st_uid and bool(sticky)


def _line(pid: int) -> Iterator[tuple[int, int]]:
    """The process, those above it, and the container's first, each with its start in ticks."""
    first = False
    while pid > 0:
        first = first or pid == 1
        yield pid, process.start_ticks(pid) or 0
        pid = process.parent(pid)
    if not first:
        yield 1, process.start_ticks(1) or 0
