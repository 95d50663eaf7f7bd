"""Starting the exporter so that it is nobody's child: no `wait()` of the program ever meets it, but
for a moment where a program at work has to start another one without the part in C.

It also holds nothing of the program: no terminal, no pipe, no listening socket.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # typeshed lacks it; `signal` makes enums for 3 ms
import sys

from monagent import guard, tree, where
from monagent.store.directory import home
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def command(directory: str, *options: str) -> list[str]:
    """The exporter's command line."""
    return [interpreter(), "-I", where.EXPORTER, "--dir", directory, *options]


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


def early(
    directory: str, environ: Mapping[str, str], fd: int | None = None, told: bool = False
) -> None:
    """Start it from a small process with one thread: the launcher, or a program's first moment.

    `fd` is a listening socket that it takes over; `told` says that the operator knows why there
    is none. Where no process can be made, the program's own look for an exporter comes later.
    """
    tree.announce_exporter(directory)
    waiting = _signal.SIGCHLD in _signal.sigpending()
    try:
        child = os.fork()
    except OSError as error:
        guard.say(f"cannot start the exporter: {error.strerror}; trying again")
        return
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _become_exporter(directory, environ, fd, told)
        finally:
            os._exit(1)
    try:
        os.waitpid(child, 0)
    except ChildProcessError:  # It was begun with SIGCHLD ignored, and has ended by now.
        return
    if not waiting:
        _forget_child()


def _forget_child() -> None:
    """Take back the signal that ours has ended, which else waits for a program that was begun with
    SIGCHLD blocked; one of the program's own, of before an exec, may have ended as well."""
    if _signal.sigtimedwait({_signal.SIGCHLD}, 0) is None:
        return
    changed = os.WEXITED | os.WSTOPPED | os.WCONTINUED
    try:
        if os.waitid(os.P_ALL, 0, changed | os.WNOHANG | os.WNOWAIT) is None:
            return
    except ChildProcessError:
        return
    os.kill(os.getpid(), _signal.SIGCHLD)


def late(
    directory: str,
    environ: Mapping[str, str],
    waitpid: Callable[[int, int], object],
    start_thread: Callable[..., object],
) -> None:
    """Start it from a program at work, which may hold threads and locks that do not bear a fork.

    `waitpid` and `start_thread` are those of Python, not what gevent has put in their place.
    """
    tree.announce_exporter(directory)
    made = _environment(directory, environ)
    closed = tuple(fd for fd in _open_descriptors() if fd > 2)
    if _orphaned(command(directory), made, closed):
        return
    child = _detaching(command(directory, "--detach"), made, closed)
    if _alone():
        _reap(waitpid, child)
    else:
        start_thread(_reap, (waitpid, child))


def _orphaned(argv: list[str], environ: dict[str, str], closed: tuple[int, ...]) -> bool:
    """Whether the part in C has started it: then it was never a child of the program."""
    from monagent import native  # The launcher needs none.

    if native.part is None:
        return False
    variables = [os.fsencode(f"{name}={value}") for name, value in environ.items()]
    begun: bool = native.part.orphaned(tuple(map(os.fsencode, argv)), tuple(variables), closed)
    return begun


def _detaching(argv: list[str], environ: dict[str, str], closed: tuple[int, ...]) -> int:
    """Start one that is the program's child until it has forked, which it does at once."""
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_CLOSE, fd) for fd in closed
    ]
    for fd in (0, 1, 2):
        actions.append((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0))
    return os.posix_spawn(argv[0], argv, environ, file_actions=actions, setsid=True, setsigmask=())


def _alone() -> bool:
    """Whether this thread is the only one: then nobody else can wait for a child meanwhile, and
    another thread would be in the way of a fork of the program's, of which Python 3.12 warns."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _reap(waitpid: Callable[[int, int], object], child: int) -> None:
    """Beside other threads: a program that waits for any child there may be faster."""
    try:
        waitpid(child, 0)
    except OSError:
        pass
    except BaseException as error:
        guard.failed("agent", error)


def _become_exporter(
    directory: str, environ: Mapping[str, str], fd: int | None, told: bool
) -> None:
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
    options = ["--told"] if told else []
    if fd is not None:
        os.set_inheritable(fd, True)
        options += ["--fd", str(fd)]
    argv = command(directory, *options)
    os.execve(argv[0], argv, _environment(directory, environ))


def _environment(directory: str, environ: Mapping[str, str]) -> dict[str, str]:
    """MONAGENT_DIR is there for the program's children; the exporter reads it as the operator's
    choice, whose directory stays when the tree has ended."""
    made = dict(environ)
    above = os.path.dirname(directory)
    if above == home(os.path.dirname(above)):
        made.pop("MONAGENT_DIR", None)
    return made


def _open_descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return list(range(3, 256))
