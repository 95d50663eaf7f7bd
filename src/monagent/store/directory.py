"""The state directory: where the shards of one process tree lie, and nobody else's.

A tree's directory follows from its root process, so that every process of the tree finds the same
one without being told.
"""

from __future__ import annotations

import stat

from monagent.store import process
from monagent.store.descriptors import above_stdio, create, inode
from monagent.system import os
from monagent.where import leads_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE = "MONAGENT_DIR"
ROOT = "root"
SUPERVISOR = "supervisor"
ENDED = "ended"
"""File with the identity of a process that is over and stays for the last numbers alone."""
STDERR = ".stderr"
"""Behind the name of a root or supervisor: what its stderr was when the tree began."""
ENDPOINT = "endpoint"
WAITING = "waiting"
LOCK = "exporter.lock"
LOG = "exporter.log"
RETAINED = "retained"
LEDGER = "ledger"
"""File with the exporter's own counters, written before they are served."""
INNER = "workers"

ROOM = 4 * 1024 * 1024
"""Bytes that a place should have for a tree: some fifty processes with few series each."""


class Refused(Exception):
    """The directory cannot be used; the message names it, what was found and what was expected."""


def places(environ: Mapping[str, str]) -> list[str]:
    """Where trees may keep their state, best first: memory before disk."""
    wanted = ["/dev/shm", environ.get("TMPDIR", ""), "/tmp", "/var/tmp"]
    return [place for place in wanted if place and os.path.isdir(place)]


def home(place: str, user: int | None = None) -> str:
    """Where the trees of a user, by default the one we run as, lie in one of the places."""
    return f"{place}/monagent-{os.geteuid() if user is None else user}"


def tree_root(
    adopted: Callable[[int], bool | None], pid: int, proc: str = "/proc"
) -> tuple[int, int]:
    """The root of the tree that `pid` belongs to, as (pid, start in clock ticks).

    It is the farthest ancestor that is `adopted` in a line of processes of which none is not, or
    the first process of the container if that one is adopted too (a program started with ``docker
    exec`` has no other tie to it). Those of which it cannot be told (None) break no line.
    """
    root = pid
    above = process.parent(root, proc)
    while above > 0 and (belongs := adopted(above)) is not False:
        root = above if belongs else root
        above = process.parent(above, proc)
    if root != 1 and adopted(1):
        root = 1
    return root, process.start_ticks(root, proc) or 0


def adopted_by(
    marker: str, environ: Mapping[str, str], proc: str = "/proc"
) -> Callable[[int], bool | None]:
    """Tells whether a process was started with `marker` (the bootstrap folder) among the folders of
    PYTHONPATH, written in any way that leads there or as it is in `environ`, our own.

    Where a process has written its title over its environment (setproctitle, which gunicorn and
    Celery use if it is there), it is a tree's root that has begun, or it cannot be told (None).
    """
    spellings = {
        os.fsencode(entry)
        for entry in environ.get("PYTHONPATH", "").split(os.pathsep)
        if leads_to(entry, marker)
    }
    wanted = os.fsencode(marker)
    homes = [home(place) for place in places(environ)]

    def adopted(pid: int) -> bool | None:
        try:
            with open(f"{proc}/{pid}/environ", "rb") as file:
                found = file.read()
        except OSError:
            return False
        if b"\0\0" in found:
            name = f"{pid}-{process.start_ticks(pid, proc)}"
            return any(os.path.isdir(f"{above}/{name}") for above in homes) or None
        return any(
            folder in spellings or os.path.normpath(folder) == wanted
            for entry in found.split(b"\0")
            if entry.startswith(b"PYTHONPATH=")
            for folder in entry[11:].split(b":")
        )

    return adopted


def for_tree(root: tuple[int, int], environ: Mapping[str, str]) -> str:
    """The directory of the tree with this root, made if need be; raises Refused when no place will
    have it.

    The tree's first process takes the first place that has room, and all others what it made.
    """
    homes = [home(place) for place in places(environ)]
    name = f"{root[0]}-{root[1]}"
    made = [above for above in homes if os.path.isdir(f"{above}/{name}")]
    roomy = [above for above in homes if _room(os.path.dirname(above)) >= ROOM]
    reasons = []
    for above in [*made, *roomy, *homes]:
        try:
            prepare(above)
            return prepare(f"{above}/{name}")
        except (OSError, Refused) as error:
            reasons.append(str(error))
    raise Refused("; ".join(dict.fromkeys(reasons)) or "no /dev/shm, TMPDIR, /tmp or /var/tmp")


def _room(place: str) -> int:
    """Bytes that may still be written there."""
    try:
        found = os.statvfs(place)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def prepare(path: str) -> str:
    """Makes `path` (mode 0700) unless it is there, and returns it.

    Raises Refused when it is not a directory of ours that only we can write to, OSError when it
    cannot be made.
    """
    try:
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)  # The mode above has lost what our umask takes away.
    except FileExistsError:
        pass
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(f"{path}: found no directory, expected one")
    if found.st_uid not in (os.geteuid(), 0):
        raise Refused(f"{path}: found the owner uid {found.st_uid}, expected {os.geteuid()}")
    if found.st_mode & 0o022:
        mode = found.st_mode & 0o777
        raise Refused(f"{path}: found mode {mode:o}, expected one that others cannot write to")
    if not os.access(path, os.W_OK | os.X_OK):
        uid = os.geteuid()
        raise Refused(f"{path}: found no permission to write for uid {uid}, expected it")
    return path


def restore(path: str) -> str:
    """Makes a state directory anew, with the directory above it, after somebody removed them;
    raises as `prepare` does."""
    above = os.path.dirname(path)
    if not os.path.isdir(above):
        prepare(above)
    return prepare(path)


class Inner:
    """A directory inside the state directory `path` in which a process can make files even after it
    gave up root, through a descriptor that it opened before.

    It is open to all; what keeps strangers out is the state directory around it.  Raises OSError.
    """

    __slots__ = ("_fd", "_inode", "path")

    def __init__(self, path: str) -> None:
        self.path = f"{path}/{INNER}"
        try:
            os.mkdir(self.path)
        except FileExistsError:
            pass
        os.chmod(self.path, 0o777)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = above_stdio(os.open(self.path, flags))
        self._inode = inode(os.fstat(self._fd))

    def fd(self) -> int:
        """The descriptor; raises OSError when the program has closed it."""
        if inode(os.fstat(self._fd)) != self._inode:
            raise OSError(f"the descriptor of {self.path} was closed")
        return self._fd


def write_root(path: str, root: tuple[int, int], name: str = ROOT) -> bool:
    """Leaves the root's identity (or another's, as `name`) in the directory `path`, unless one
    stands there (False); on a full disk nothing, which who looks for it can do without."""
    return _leave(f"{path}/{name}", root)


def read_root(path: str, name: str = ROOT) -> tuple[int, int] | None:
    """The pid and start ticks that stand there, or None when none can be read."""
    pid, ticks = _read(f"{path}/{name}", 2) or (0, 0)
    return (pid, ticks) if pid else None


def note_stderr(
    path: str, whose: tuple[int, int], name: str = ROOT, found: tuple[int, int] | None = None
) -> None:
    """Leaves what the descriptor 2 of that root (or supervisor, as `name`) is now, or was `found`
    to be before: a program may close it and open a file of its own there, which takes no lines of
    ours. One that is closed by now leaves nothing."""
    note = f"{path}/{name}{STDERR}"
    try:
        found = found or inode(os.stat(f"/proc/{whose[0]}/fd/2"))
        if os.path.lexists(note):
            os.unlink(note)
        _leave(note, (*whose, *found))
    except OSError:
        pass


def noted_stderr(path: str, whose: tuple[int, int], name: str = ROOT) -> tuple[int, int] | None:
    """Device and inode that were noted of this process; None if it had no stderr."""
    found = _read(f"{path}/{name}{STDERR}", 4)
    return (found[2], found[3]) if found and (found[0], found[1]) == whose else None


def _leave(file: str, numbers: tuple[int, ...]) -> bool:
    try:
        fd = create(file, os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    try:
        os.write(fd, (" ".join(map(str, numbers)) + "\n").encode())
    except OSError:
        os.unlink(file)
    finally:
        os.close(fd)
    return True


def _read(file: str, count: int) -> list[int] | None:
    try:
        with open(file, encoding="utf-8") as lines:
            numbers = [int(number) for number in lines.read().split()]
    except (OSError, ValueError):
        return None
    return numbers if len(numbers) == count else None
