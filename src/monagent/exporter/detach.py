"""Leaving the family: a process in a session of its own that nobody can wait for or hang up on."""

from __future__ import annotations

import os
import signal


def detach(keep: int | None) -> None:
    """Goes on as an orphan without terminal and without inherited descriptors, except `keep`."""
    if os.fork():
        os._exit(0)
    try:
        os.setsid()
    except OSError:  # We lead a session already.
        pass
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for fd in _descriptors():
        if fd > 2 and fd != keep:
            try:
                os.close(fd)
            except OSError:  # The one that listed the others.
                pass


def settle() -> None:
    """Ties to nothing: signals meant for the application, its directory, its file mode. SIGTERM,
    which would end it without a delivery, waits until there is what hears it (`life`)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, (signal.SIGTERM,))
    os.chdir("/")
    os.umask(0o077)


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return list(range(3, 1024))
