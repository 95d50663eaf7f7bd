"""The process tree that a program belongs to: its state directory and whether it has an exporter.

The launcher and the agent in every process ask here, so that both come to the same answer.
"""

from __future__ import annotations

import fcntl
from errno import EMFILE, ENFILE

from monagent.clock import time
from monagent.store import directory, layout, process, visitors
from monagent.store.descriptors import create
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from monagent.settings import Settings

GRACE = 5.0
"""Seconds that a new exporter gets to take the lock before somebody starts another one."""

LEFT = 1.0
"""When a lock was last touched (unix seconds) whose exporter has ended within a program, and left
the tree's numbers to the next one."""


def find(
    settings: Settings, environ: MutableMapping[str, str], bootstrap: str, pid: int | None = None
) -> tuple[str, bool]:
    """The state directory of the tree of `pid` (this process), made if need be, and whether this
    is the tree's beginning: nobody was here before to explain settings or print a line.

    Raises directory.Refused or OSError with a message when there is no place for it.
    """
    own = os.getpid() if pid is None else pid
    named = settings.dir or settings.told
    place = visitors.find(named, environ, own)
    if place is not None:
        return place, False
    if named is not None:
        os.makedirs(os.path.dirname(named), exist_ok=True)
        path = directory.prepare(named)
        there = directory.read_root(path)
        lasts = there is not None and (exporter_pid(path) > 0 or process.runs(*there))
        if lasts and exporter_runs(path):
            return path, False
        root = directory.tree_root(directory.adopted_by(bootstrap, environ), own)
    else:
        root = directory.tree_root(directory.adopted_by(bootstrap, environ), own)
        path = directory.for_tree(root, environ)
    begun = _take(path, root)
    if begun and settings.exporter == "process" and not os.geteuid():
        visitors.receive(path, root)
    return path, begun


def told(error: Exception) -> str:
    """Why there is no place, for the operator."""
    if isinstance(error, OSError) and error.filename:
        return f"cannot keep state in {error.filename}: {error.strerror}"
    return str(error)


def _take(path: str, root: tuple[int, int]) -> bool:
    """Leave the root's name, in place of one whose process has ended; False if it is there."""
    there = directory.read_root(path)
    if there == root:
        return False
    if there is not None and there != root and not process.runs(*there):
        try:
            os.unlink(f"{path}/{directory.ROOT}")
        except FileNotFoundError:
            pass
        _withdraw(path)
    if not directory.write_root(path, root):
        return False
    directory.note_stderr(path, root)
    return True


def _withdraw(path: str) -> None:
    """An exporter that the tree before us announced, and that has ended with it, comes no more: a
    service may be begun again within a moment. What it has left to nobody is no number of ours."""
    if not exporter_pid(path):
        try:
            if os.stat(f"{path}/{directory.LOCK}").st_mtime == LEFT:
                _forget(path)
            os.utime(f"{path}/{directory.LOCK}", (0, 0))
        except OSError:  # None was ever announced.
            pass


def _forget(path: str) -> None:
    """Removes the totals there, the shards of the dead, and where these could be scraped."""
    from monagent.store.reader import ShardFile, scan

    names = (directory.RETAINED, directory.LEDGER, directory.ENDPOINT)
    gone = [f"{path}/{name}" for name in names]
    for shard in scan(path):
        try:
            if not ShardFile.open(shard, keep=False).alive():
                gone.append(shard)
        except (layout.Foreign, OSError, ValueError, MemoryError, OverflowError):  # No shard.
            continue
    for file in gone:
        try:
            os.unlink(file)
        except OSError:
            pass


def exporter_runs(path: str) -> bool:
    """Whether an exporter holds this directory's lock, or was started a moment ago; taken for
    granted at a place for visitors, of whom the host's is, and by who may open no more files."""
    if visitors.is_place(path):
        return True
    try:
        fd = os.open(f"{path}/{directory.LOCK}", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return error.errno in (EMFILE, ENFILE)
    try:
        return _holder(fd) > 0 or abs(time() - os.fstat(fd).st_mtime) < GRACE
    finally:
        os.close(fd)


def exporter_pid(path: str) -> int:
    """The process that holds this directory's lock; 0 if none does."""
    try:
        fd = os.open(f"{path}/{directory.LOCK}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return _holder(fd)
    finally:
        os.close(fd)


def unfinished(path: str) -> bool:
    """Whether an exporter that was announced here has left things as they are: at its end it takes
    the lock's file away."""
    return os.path.exists(f"{path}/{directory.LOCK}")


def was_cut_short(path: str) -> bool:
    """Whether an exporter within a program has ended without its last deliveries, as in a child
    that was forked and ends with `os._exit`."""
    try:
        touched = os.stat(f"{path}/{directory.LOCK}").st_mtime
    except OSError:
        return False
    return touched not in (0, LEFT) and not exporter_pid(path)


def is_first(path: str) -> bool:
    """Whether this process is the tree's first one."""
    return (directory.read_root(path) or (0, 0))[0] == os.getpid()


def somebody_recorded(path: str) -> bool:
    """Whether another process than this one has left numbers there, or records them."""
    names = []
    for place in (path, f"{path}/{directory.INNER}"):
        try:
            names += os.listdir(place)
        except OSError:
            continue
    own = f"{os.getpid()}-"
    return directory.RETAINED in names or any(
        name.endswith(layout.SUFFIX) and not name.startswith(own) for name in names
    )


def announce_exporter(path: str) -> None:
    """Tell the other processes that an exporter is about to take the lock."""
    lock = f"{path}/{directory.LOCK}"
    os.close(create(lock, os.O_RDWR))
    os.utime(lock)


def abandoned(path: str, age: float = 3600.0) -> list[str]:
    """Directories beside the tree's own whose tree has ended without an exporter to clean up.

    Only ours, without a root process and a lock, and untouched for `age` seconds: a root in another
    pid namespace looks dead from here, but its exporter's lock does not.
    """
    home = os.path.dirname(path)
    if home != directory.home(os.path.dirname(home)):
        return []
    found = []
    for name in os.listdir(home):
        other = f"{home}/{name}"
        host = visitors.host(other)
        if host == path or (host != other and os.path.isdir(host)):  # It goes with its host.
            continue
        root = directory.read_root(other)
        try:
            old = time() - os.stat(other).st_mtime > age
        except OSError:
            continue
        dead = root is None or not process.runs(*root)
        if old and dead and not exporter_runs(host):
            found.append(other)
    return found


def endpoint(path: str) -> str | None:
    """The URL on which the exporter of this directory listens, if it does."""
    try:
        with open(f"{path}/{directory.ENDPOINT}", encoding="utf-8") as file:
            return file.read().strip() or None
    except OSError:
        return None


def announce_endpoint(path: str, url: str) -> None:
    """Tell where the exporter that is about to begin will listen; it says so itself later."""
    try:
        fd = create(f"{path}/{directory.ENDPOINT}", os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(fd, f"{url}\n".encode())
        finally:
            os.close(fd)
    except OSError:  # As it says, later.
        pass


def predecessor_listens(path: str, port: int) -> bool:
    """Whether a tree beside this one has ended whose exporter still listens there: it does for a
    moment, and for as long as its last deliveries take."""
    return any(not process.runs(*root) for root in _listening_at(path, port))


def neighbour(path: str, port: int) -> int:
    """The process that began a tree beside this one whose exporter listens there; 0 if none does.

    Trees of other users, or in a directory that somebody chose elsewhere, cannot be told."""
    return next((pid for pid, _ in _listening_at(path, port)), 0)


def _listening_at(path: str, port: int) -> Iterator[tuple[int, int]]:
    """The roots of trees beside this one whose exporter listens there."""
    above = os.path.dirname(path)
    try:
        names = os.listdir(above)
    except OSError:
        return
    for other in [f"{above}/{name}" for name in names]:
        url = endpoint(other) if other != path else None
        if url and url.rpartition(":")[2].partition("/")[0] == str(port):
            root = directory.read_root(other)
            if root is not None and exporter_runs(other):
                yield root


def _holder(fd: int) -> int:
    """Asks without taking the lock: an exporter that starts right now must find it free."""
    import struct  # Loaded with the store already.

    # struct flock of 64-bit Linux: type, whence, start, length, pid.
    wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    found = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, wanted))
    if found[0] == fcntl.F_UNLCK:
        return 0
    if found[4] == -1:  # An exporter inside a program: its lock names nobody, so the file does.
        return int(os.pread(fd, 20, 0) or 1)
    return found[4] if found[4] > 0 else 1  # 0: a holder in another pid namespace
