"""The lock that makes an exporter the only one of its directory; it ends with the process.

Two kinds exclude each other: POSIX's, whose holder others can name, is lost when its process closes
any descriptor of the file.  Inside a program, where others look at the file as well, it is one of
the open file; the file's content then names the holder.
"""

from __future__ import annotations

import fcntl
import os
import struct

from monagent import tree
from monagent.store import directory
from monagent.store.descriptors import create


class Lock:
    """The exporter's lock on the state directory `path`; `guest` inside a program."""

    def __init__(self, path: str, guest: bool = False) -> None:
        self._guest = guest
        self.path = f"{path}/{directory.LOCK}"
        self._fd = -1

    def take(self) -> bool:
        """Takes the lock; False when another exporter has it.  OSError without a directory."""
        fd = create(self.path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            if self._guest:
                # struct flock of 64-bit Linux: type, whence, start, length, pid.
                wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)
                os.ftruncate(fd, 0)
                os.pwrite(fd, str(os.getpid()).encode(), 0)
            else:
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

    def leave(self) -> None:
        """Says that this exporter has delivered what is there, and that the next one may begin at
        once."""
        try:
            os.utime(self._fd, (tree.LEFT, tree.LEFT))
        except OSError:  # As after an exporter that was killed.
            pass

    def release(self) -> None:
        """Lets others have it; in a forked child, leaves it to the parent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
