"""A shard's file as its process holds it: reserved on disk before it is mapped, and never confused
with the application's own descriptors.

Programs that become daemons close every descriptor they find and may since have been given our
numbers, so a descriptor is looked at before each use.
"""

from __future__ import annotations

import fcntl
import mmap
import sys
from errno import EFBIG

from monagent.store import layout
from monagent.store.descriptors import above_stdio, close_all, create, fill_stdio, inode
from monagent.system import os
from monagent.where import VISITORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.store.directory import Inner

_TRACKS = sys.version_info >= (3, 13)


class File:
    """A new file at `path`, or of that name in `inner`, locked; raises OSError when it cannot be
    made.

    Its mode is 0600, and 0644 where root's exporter is to read what is another user's: in `inner`
    and among visitors, which no third one can look into. A container may have taken from root the
    right to read all files (CAP_DAC_OVERRIDE).

    The lock goes with the last mapping: when the process and those forked from it have ended or
    run another program.  It is for readers in other pid namespaces, to whom a pid says nothing.

    Until 3.13 a mapping holds a descriptor number of its own and closes it at its end: see
    `shard._shards` for how long they are kept.
    """

    __slots__ = ("_fd", "_inner", "_inode", "_locked", "path")

    def __init__(self, path: str, inner: Inner | None = None) -> None:
        self._inner = inner
        self.path = f"{inner.path}/{os.path.basename(path)}" if inner else path
        self._fd = self._open(os.O_CREAT | os.O_EXCL)
        self._inode = inode(os.fstat(self._fd))
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._locked = True
        except OSError:  # Not every file system has locks.
            self._locked = False

    def mapping(self, start: int, size: int) -> mmap.mmap:
        """The file's first `size` bytes, those from `start` on reserved now.  Raises OSError.

        A sparse file on a full tmpfs would kill the application with SIGBUS.
        """
        self._own()
        _reserve(self._fd, start, size - start)
        mapping = _map(self._fd, size)
        if self._locked and not start:
            mapping[layout.LOCKED] = 1
        return mapping

    def present(self) -> bool:
        """Whether the file still stands at its path; true also where nobody may look any more."""
        try:
            return inode(os.stat(self.path)) == self._inode
        except FileNotFoundError:
            return False
        except OSError:  # A process that gave up root cannot look into root's directory.
            return True

    def unlock(self) -> None:
        """The process counts as an ended one although it runs, and with it those that it forked and
        that have no file of their own yet."""
        if self._holds():
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives the descriptor back, if it is still ours."""
        if self._holds():
            os.close(self._fd)
        self._fd = -1

    def discard(self) -> None:
        """Gives it up: nothing is to read it."""
        self.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass

    def _open(self, flags: int) -> int:
        flags |= os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        folder, name = os.path.split(self.path)
        path, inside = (self.path, None) if self._inner is None else (name, self._inner.fd())
        if not flags & os.O_CREAT:
            return above_stdio(os.open(path, flags, dir_fd=inside))
        mode = 0o600 if inside is None and not folder.endswith(VISITORS) else 0o644
        return above_stdio(create(path, flags, inside, mode))

    def _holds(self) -> bool:
        try:
            return self._fd >= 0 and inode(os.fstat(self._fd)) == self._inode
        except OSError:
            return False

    def _own(self) -> None:
        if self._holds():
            return
        self._fd = -1
        fd = self._open(0)
        if inode(os.fstat(fd)) != self._inode:
            os.close(fd)
            raise OSError(f"{self.path} was replaced by another file")
        self._fd = fd


def _reserve(fd: int, start: int, size: int) -> None:
    """Allocates these bytes.  Raises OSError, also where the program has limited the size of files
    (RLIMIT_FSIZE) and let SIGXFSZ kill it, or call it: the excess is not its own."""
    import _signal  # type: ignore[import-not-found] # typeshed lacks it

    excess = {_signal.SIGXFSZ}
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, excess)
    try:
        os.posix_fallocate(fd, start, size)
    except OSError as error:
        if error.errno == EFBIG and _signal.SIGXFSZ not in before:
            _signal.sigtimedwait(excess, 0)
        raise
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _map(fd: int, size: int) -> mmap.mmap:
    """Maps the file so that no descriptor of 0 to 2 is taken, and none at all from 3.13 on."""
    if _TRACKS:
        return mmap.mmap(fd, size, trackfd=False)  # type: ignore[call-arg,unused-ignore]
    blocked = fill_stdio()
    try:
        return mmap.mmap(fd, size)
    finally:
        close_all(blocked)
