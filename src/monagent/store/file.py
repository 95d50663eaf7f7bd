"""A shard's file as its process holds it: reserved on disk before it is mapped, and never confused
with the application's own descriptors.

Programs that become daemons close every descriptor they find and may since have been given our
numbers, so a descriptor is looked at before each use.
"""

from __future__ import annotations

import mmap
import os
import sys

_TRACKS = sys.version_info >= (3, 13)


class File:
    """A new file at `path`, mode 0600; raises OSError when it cannot be made.

    Until 3.13 a mapping holds a descriptor number of its own and closes it at its end: see
    `shard._shards` for how long they are kept.
    """

    __slots__ = ("_fd", "_inode", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        self._fd = _above_stdio(os.open(path, flags, 0o600))
        self._inode = _inode(os.fstat(self._fd))

    def mapping(self, start: int, size: int) -> mmap.mmap:
        """The file's first `size` bytes, those from `start` on reserved now.  Raises OSError.

        A sparse file on a full tmpfs would kill the application with SIGBUS.
        """
        self._own()
        os.posix_fallocate(self._fd, start, size - start)
        return _map(self._fd, size)

    def present(self) -> bool:
        """Whether the file still stands at its path; true also where nobody may look any more."""
        try:
            return _inode(os.stat(self.path)) == self._inode
        except FileNotFoundError:
            return False
        except OSError:  # A process that gave up root cannot look into root's directory.
            return True

    def close(self) -> None:
        """Gives the descriptor back, if it is still ours."""
        if self._holds():
            os.close(self._fd)
        self._fd = -1

    def _holds(self) -> bool:
        try:
            return self._fd >= 0 and _inode(os.fstat(self._fd)) == self._inode
        except OSError:
            return False

    def _own(self) -> None:
        if self._holds():
            return
        self._fd = -1
        fd = _above_stdio(os.open(self.path, os.O_RDWR | os.O_CLOEXEC))
        if _inode(os.fstat(fd)) != self._inode:
            os.close(fd)
            raise OSError(f"{self.path} was replaced by another file")
        self._fd = fd


def _inode(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _map(fd: int, size: int) -> mmap.mmap:
    """Maps the file so that no descriptor of 0 to 2 is taken, and none at all from 3.13 on."""
    if _TRACKS:
        return mmap.mmap(fd, size, trackfd=False)  # type: ignore[call-arg,unused-ignore]
    blocked = _fill_stdio()
    try:
        return mmap.mmap(fd, size)
    finally:
        _close(blocked)


def _fill_stdio() -> list[int]:
    """Opens every closed descriptor of 0 to 2, so that what comes next lands above them; returns
    those opened."""
    opened: list[int] = []
    try:
        while True:
            fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            if fd > 2:
                os.close(fd)
                return opened
            opened.append(fd)
    except BaseException:
        _close(opened)
        raise


def _above_stdio(fd: int) -> int:
    if fd > 2:
        return fd
    blocked = [fd]
    try:
        blocked += _fill_stdio()
        return os.dup(fd)
    finally:
        _close(blocked)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
