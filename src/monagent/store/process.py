"""Who a process is and whether it still lives: a pid alone is no identity, since pids are used
again and exec keeps them.

The program that runs under a pid is told by when the process started and where its arguments lie
(address space layout randomisation moves them at every exec).  Everything is read from proc(5);
where there is none, a pid that answers a signal is alive.
"""

from __future__ import annotations

from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Identity:
    """A process and the program it runs; the numbers are 0 where the system does not tell them."""

    __slots__ = ("arguments_at", "namespace", "pid", "start_ticks")

    def __init__(self, pid: int, start_ticks: int, arguments_at: int, namespace: int) -> None:
        self.pid = pid
        self.start_ticks = start_ticks
        self.arguments_at = arguments_at
        self.namespace = namespace


def _stat(pid: int | str, proc: str) -> list[bytes] | None:
    """The fields of proc(5) stat behind the command's name (which may hold spaces and brackets):
    state is [0]."""
    try:
        fd = os.open(f"{proc}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(fd, 4096)
    except OSError:  # ESRCH: it ended between open and read
        return None
    finally:
        os.close(fd)
    return text[text.rfind(b")") + 2 :].split()


def _namespace(pid: int | str, proc: str, kind: str = "pid") -> int:
    try:
        return os.stat(f"{proc}/{pid}/ns/{kind}").st_ino
    except OSError:
        return 0


def own(proc: str = "/proc") -> Identity:
    """The calling process."""
    fields = _stat("self", proc)
    if fields is None:
        return Identity(os.getpid(), 0, 0, 0)
    return Identity(os.getpid(), int(fields[19]), int(fields[45]), _namespace("self", proc))


def start_ticks(pid: int, proc: str = "/proc") -> int | None:
    """When `pid` started, in clock ticks after boot, or None if there is no such process or it is a
    zombie."""
    fields = _stat(pid, proc)
    if fields is None or fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])


def parent(pid: int, proc: str = "/proc") -> int:
    """The parent of `pid`; 0 if there is none or it cannot be told."""
    fields = _stat(pid, proc)
    return int(fields[1]) if fields else 0


def user(pid: int, proc: str = "/proc") -> int | None:
    """The user as whom `pid` runs (its effective user id), or None where that is not told."""
    try:
        with open(f"{proc}/{pid}/status", encoding="utf-8", errors="replace") as status:
            for line in status:
                if line.startswith("Uid:"):
                    return int(line.split()[2])
    except (OSError, ValueError, IndexError):
        pass
    return None


def environ(pid: int, proc: str = "/proc") -> dict[str, str]:
    """The environment that `pid` was started with; empty where that is not told."""
    try:
        with open(f"{proc}/{pid}/environ", "rb") as file:
            entries = [os.fsdecode(entry).partition("=") for entry in file.read().split(b"\0")]
    except OSError:
        return {}
    return {name: value for name, _, value in entries if name}


def runs(pid: int, ticks: int, proc: str = "/proc") -> bool:
    """Whether the process that is known as `pid`, started at `ticks`, still runs, whatever
    program."""
    return alive(Identity(pid, ticks, 0, 0), proc)


def alive(
    identity: Identity,
    proc: str = "/proc",
    signal: Callable[[int, int], None] = os.kill,
    held: Callable[[], bool] = lambda: True,
) -> bool:
    """Whether the program that `identity` names still runs.

    A process of another pid namespace cannot be looked up from here, and one of another time
    namespace knows another start of itself than we see: it lives if its lock is `held`.
    """
    fields = _stat(identity.pid, proc)
    if identity.namespace:
        here = _namespace("self", proc)
        if here and here != identity.namespace:
            return held()
    if fields is None:
        # No /proc, or one that hides whom we may not look at (hidepid).
        try:
            signal(identity.pid, 0)
        except PermissionError:
            return True
        except OSError:
            return False
        return True
    if fields[0] in (b"Z", b"X", b"x"):
        return False
    if identity.start_ticks and int(fields[19]) != identity.start_ticks:
        there = _namespace(identity.pid, proc, "time")
        return there not in (0, _namespace("self", proc, "time")) and held()
    arguments_at = int(fields[45]) if len(fields) > 45 else 0
    return not (identity.arguments_at and arguments_at and arguments_at != identity.arguments_at)
