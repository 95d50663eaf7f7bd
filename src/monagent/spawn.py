"""Starting the exporter so that it is nobody's child: no `wait()` of the program ever meets it.

It also holds nothing of the program: no terminal, no pipe, no listening socket.
"""

from __future__ import annotations

import os
import sys

from monagent import guard, tree, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Taken now: gevent replaces them later, and what we wait for must not run its loop.
_waitpid = os.waitpid
_start_thread = __import__("_thread").start_new_thread


def command(directory: str, fd: int | None = None, detach: bool = False) -> list[str]:
    """The exporter's command line; `fd` is a listening socket that it takes over."""
    made = [interpreter(), "-I", where.EXPORTER, "--dir", directory]
    if fd is not None:
        made += ["--fd", str(fd)]
    return [*made, "--detach"] if detach else made


def interpreter() -> str:
    """A Python to run the exporter with; servers that embed one call themselves sys.executable."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    places = [os.path.join(prefix, "bin", version) for prefix in (sys.prefix, sys.base_prefix)]
    if sys.executable and os.path.basename(sys.executable).startswith(("python", "pypy")):
        places.insert(0, sys.executable)
    for place in places:
        if os.access(place, os.X_OK):
            return place
    return sys.executable or "python3"


def early(directory: str, environ: Mapping[str, str], fd: int | None = None) -> None:
    """Start it from a small process with one thread: the launcher, or a program's first moment."""
    tree.announce_exporter(directory)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _become_exporter(directory, environ, fd)
        finally:
            os._exit(1)
    _waitpid(child, 0)


def late(directory: str, environ: Mapping[str, str]) -> None:
    """Start it from a program at work, which may hold threads and locks that do not bear a fork."""
    tree.announce_exporter(directory)
    argv = command(directory, detach=True)
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_CLOSE, fd) for fd in _open_descriptors() if fd > 2
    ]
    for fd in (0, 1, 2):
        actions.append((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0))
    child = os.posix_spawn(
        argv[0],
        argv,
        environ,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
    )
    _start_thread(_reap, (child,))


def _reap(child: int) -> None:
    """The child forks at once and ends; a program that waits for any child may be faster."""
    try:
        _waitpid(child, 0)
    except OSError:
        pass
    except BaseException as error:
        guard.failed("agent", error)


def _become_exporter(directory: str, environ: Mapping[str, str], fd: int | None) -> None:
    if fd is not None and fd <= 2:
        # The program was started with a standard descriptor closed, and the socket took its place.
        import fcntl

        fd = fcntl.fcntl(fd, fcntl.F_DUPFD, 3)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for other in _open_descriptors():
        if other > 2 and other != fd:
            try:
                os.close(other)
            except OSError:
                pass
    if fd is not None:
        os.set_inheritable(fd, True)
    argv = command(directory, fd)
    os.execve(argv[0], argv, environ)


def _open_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return list(range(3, 256))
