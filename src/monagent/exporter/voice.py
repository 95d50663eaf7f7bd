"""Lines for the operator: on the program's stderr for a moment, and in a bounded log file.

The exporter holds none of the program's descriptors, or a reader of its output would never see the
end of it.  A line is written through the root process's own descriptor and let go at once, and only
while that is what it was when the tree began: a program may have opened a file of its own there.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable

from monagent.guard import LEVELS
from monagent.store import directory, process
from monagent.store.descriptors import inode

LIMIT = 64 * 1024

_PIDFD_GETFD = 438
"""Number of pidfd_getfd(2), the same on all architectures but Alpha."""


class Voice:
    """Says lines for the tree whose state lies in `path`."""

    def __init__(
        self, path: str, level: str, proc: str = "/proc", wall: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._level = level
        self._proc = proc
        self._wall = wall
        self._root = directory.read_root(path) or (0, 0)
        self._stderr = directory.noted_stderr(path, self._root)

    def say(self, line: str, at: str = "warning") -> None:
        """One line on the stderr of the tree's root, or of who supervises it when it has ended
        (the last deliveries are then), and in the log."""
        self.log(line)
        if LEVELS.index(at) < LEVELS.index(self._level):
            return
        for name in (directory.ROOT, directory.SUPERVISOR):
            whose = directory.read_root(self._path, name) or (0, 0)
            if not whose[0] or (process.start_ticks(whose[0], self._proc) or 0) != whose[1]:
                continue
            noted = directory.noted_stderr(self._path, whose, name)
            if noted and self._to_stderr(whose[0], noted, f"monagent: {line}\n"):
                return

    def log(self, line: str) -> None:
        """One line in the log, which begins anew when it is full."""
        path = f"{self._path}/{directory.LOG}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            if os.stat(path).st_size > LIMIT:
                flags |= os.O_TRUNC
        except OSError:
            pass
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))
        try:
            _write(os.open(path, flags, 0o600), f"{stamp} {line}\n")
        except OSError:
            pass

    def note(self) -> None:
        """Leaves again what the root's stderr was, in a directory that somebody has wiped."""
        if self._stderr is not None:
            directory.note_stderr(self._path, self._root, found=self._stderr)

    def _to_stderr(self, pid: int, noted: tuple[int, int], text: str) -> bool:
        """Whether the line went to the descriptor 2 of that process, which was `noted`."""
        path = f"{self._proc}/{pid}/fd/2"
        try:
            found = os.stat(path)
            flags = self._flags(pid)
            if inode(found) != noted or flags & os.O_ACCMODE == os.O_RDONLY:
                return False
            if stat.S_ISREG(found.st_mode) and not flags & os.O_APPEND:
                # Opened anew it would have a place of its own in the file: what the program writes
                # next would be written over the line.
                fd = _copy(pid)
            else:
                wanted = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                fd = os.open(path, wanted)
            _write(fd, text, noted)
        except (OSError, ImportError, AttributeError):
            return False
        return True

    def _flags(self, pid: int) -> int:
        """How its descriptor 2 was opened, see proc(5) fdinfo."""
        with open(f"{self._proc}/{pid}/fdinfo/2", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("flags:"):
                    return int(line.split()[1], 8)
        return os.O_RDONLY


def _copy(pid: int) -> int:
    """The open file behind the descriptor 2 of a process, as our own descriptor; raises OSError
    where that is refused (before Linux 5.6, by seccomp, by the rules of ptrace)."""
    import ctypes  # Few programs write to a plain file, and fewer exporters have to say something.

    pidfd = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = int(libc.syscall(_PIDFD_GETFD, pidfd, 2, 0))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return fd
    finally:
        os.close(pidfd)


def _write(fd: int, text: str, expected: tuple[int, int] | None = None) -> None:
    """One line, if that is still the expected file; closes the descriptor."""
    try:
        if expected not in (None, inode(os.fstat(fd))):
            raise OSError("another file by now")
        os.write(fd, text.replace("\n", " ").rstrip().encode("utf-8", "replace") + b"\n")
    finally:
        os.close(fd)
