"""Lines for the operator: on the program's stderr for a moment, and in a bounded log file.

The exporter holds none of the program's descriptors, or a reader of its output would never see the
end of it.  A line is written through the root process's own descriptor and let go at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from monagent.guard import LEVELS
from monagent.store import directory, process

LIMIT = 64 * 1024


class Voice:
    """Says lines for the tree whose state lies in `path`."""

    def __init__(
        self, path: str, level: str, proc: str = "/proc", wall: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._level = level
        self._proc = proc
        self._wall = wall

    def say(self, line: str, at: str = "warning") -> None:
        """One line on the stderr of the tree's root, or of who supervises it when it has ended
        (the last deliveries are then), and in the log."""
        self.log(line)
        if LEVELS.index(at) < LEVELS.index(self._level):
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        for name in (directory.ROOT, directory.SUPERVISOR):
            pid, ticks = directory.read_root(self._path, name) or (0, 0)
            if not pid or (process.start_ticks(pid, self._proc) or 0) != ticks:
                continue
            if self._write(f"{self._proc}/{pid}/fd/2", flags, f"monagent: {line}\n"):
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
        self._write(path, flags, f"{stamp} {line}\n")

    @staticmethod
    def _write(path: str, flags: int, text: str) -> bool:
        try:
            fd = os.open(path, flags, 0o600)
        except OSError:
            return False
        try:
            os.write(fd, text.replace("\n", " ").rstrip().encode("utf-8", "replace") + b"\n")
        except OSError:
            return False
        finally:
            os.close(fd)
        return True
