"""The lock that makes an exporter the only one of its directory; it ends with the process.

A lock of POSIX is lost when its process closes any descriptor of the file, so nothing else here
ever opens it.
"""

from __future__ import annotations

import fcntl
import os

from monagent.store import directory


class Lock:
    """The exporter's lock on the state directory `path`."""

    def __init__(self, path: str) -> None:
        self.path = f"{path}/{directory.LOCK}"
        self._fd = -1

    def take(self) -> bool:
        """Takes the lock; False when another exporter has it.  OSError without a directory."""
        fd = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        return True

    def lies_there(self) -> bool:
        """Whether the file we hold is still the one in the directory."""
        try:
            there, ours = os.stat(self.path), os.fstat(self._fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Lets others have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
