"""Descriptors of our files: whatever the program's file mode mask, and none of the numbers 0 to 2,
which a program may have closed on purpose."""

from __future__ import annotations

from monagent.system import os


def inode(found: os.stat_result) -> tuple[int, int]:
    """What tells a file from every other."""
    return found.st_dev, found.st_ino


def create(path: str, flags: int, dir_fd: int | None = None, mode: int = 0o600) -> int:
    """Opens a file that `flags` may make, with this mode: a mask may take from its own user what
    the others of our processes need."""
    fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    if os.fstat(fd).st_mode & mode != mode:
        try:
            os.fchmod(fd, mode)
        except OSError:  # Another user's.
            pass
    return fd


def fill_stdio() -> list[int]:
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
        close_all(opened)
        raise


def above_stdio(fd: int) -> int:
    """The descriptor itself, or a copy of it above 2 in its place."""
    if fd > 2:
        return fd
    blocked = [fd]
    try:
        blocked += fill_stdio()
        return os.dup(fd)
    finally:
        close_all(blocked)


def close_all(fds: list[int]) -> None:
    """Closes these."""
    for fd in fds:
        os.close(fd)
