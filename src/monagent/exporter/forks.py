"""Processes that one which recorded has forked and that live on without having recorded yet: a
daemon, above all. They hold the lock of its shard, see `store.file.File`, until they run another
program."""

from __future__ import annotations

import fcntl
import os

from monagent.store import layout

_MOST = 64


class Forks:
    """What the ended have forked; a descriptor each of their files, which may be deleted
    meanwhile."""

    def __init__(self) -> None:
        self._files: list[int] = []

    def take(self, path: str) -> None:
        """The process of this shard has ended."""
        if len(self._files) >= _MOST and self.alive() and len(self._files) >= _MOST:
            return
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        if _held(fd):
            self._files.append(fd)
        else:
            os.close(fd)

    def alive(self) -> bool:
        """Whether there is still one."""
        held = [fd for fd in self._files if _held(fd)]
        for fd in self._files:
            if fd not in held:
                os.close(fd)
        self._files = held
        return bool(held)


def _held(fd: int) -> bool:
    """Whether the file was locked and still is; false where a file system has no locks."""
    try:
        if not os.pread(fd, 1, layout.LOCKED).strip(b"\0"):
            return False
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
