"""The system calls by which state changes, one method each, so that a test can stop between any two
of them."""

from __future__ import annotations

import os


class Disk:
    """Files, for real."""

    def create(self, path: str, mode: int) -> int:
        """Opens `path` for writing, empty."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, mode)

    def write(self, fd: int, data: memoryview) -> int:
        """Writes some of `data`, returns how much."""
        return os.write(fd, data)

    def close(self, fd: int) -> None:
        """Closes the file."""
        os.close(fd)

    def rename(self, source: str, goal: str) -> None:
        """Puts `source` in the place of `goal` at once."""
        os.replace(source, goal)

    def unlink(self, path: str) -> None:
        """Deletes the file; one that is gone already is as good."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def replace(disk: Disk, path: str, data: bytes, mode: int = 0o600) -> None:
    """Gives `path` this content; whoever reads it sees the old or the new one, whole.

    Not synced to the disk: state need not survive the machine, which takes all processes with it.
    """
    beside = path + ".new"
    fd = disk.create(beside, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[disk.write(fd, rest) :]
    finally:
        disk.close(fd)
    disk.rename(beside, path)
