"""The end of a tree whose last numbers somebody waits for: a supervisor, or the first process of a
container that is adopted by its variables alone, with which the kernel ends the exporter too.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # typeshed lacks it; `signal` makes enums for 3 ms
import sys

from monagent import guard, tree
from monagent.clock import monotonic, sleep
from monagent.store import directory, process, visitors
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.store.shard import Shard

LINGER = 2.0
"""Seconds that processes which outlive the program get before the exporter is told to end."""

PATIENCE = 8.0
"""Seconds that a program stays for its last numbers: `docker stop` kills after ten."""


def outlast(path: str, shard: Shard, deliver: Callable[[], bool]) -> None:
    """The program is over: unless somebody else does so, wait until the exporter has delivered,
    which takes this process for an ended one; `deliver` is that of `await_exporter`.

    What a handler of the program's raises meanwhile ends the waiting, and is heard by nobody.
    """
    try:
        own = process.own()
        if not _is_due(path, own):
            return
        if (pulse := sys.modules.get("monagent.metrics.pulse")) is not None:
            pulse.checks.clear()  # Threads that still record must begin nothing anew.
            pulse.idle_checks.clear()
        _flush()
        shard.ending(over=True)
        _leave_mark(path, own)
        heard = _exchange(_signal.SIG_DFL)
        try:
            await_exporter(path, PATIENCE, lambda: sleep(0.02), deliver)
        finally:
            _exchange(heard)
    except BaseException as error:
        if not guard.not_ours(error):
            guard.failed("exporter", error)


def _is_due(path: str, own: process.Identity) -> bool:
    """Whether the first process of a container or of the tree ends now: no child that it has
    forked, no interpreter beside its main one."""
    if (own.pid != 1 and not _is_first(path, own)) or _is_beside():
        return False
    # One that gave up root can tell the exporter nothing.
    if visitors.is_place(path) or not os.access(path, os.W_OK, effective_ids=True):
        return False
    above = directory.read_root(path, directory.SUPERVISOR)
    if above is not None and process.runs(*above):
        return False
    return tree.exporter_pid(path) != own.pid  # It is in another container, which lives on.


def await_exporter(
    path: str, patience: float, pause: Callable[[], object], deliver: Callable[[], bool]
) -> None:
    """Wait until the exporter has ended by itself, or told to, but not for ever. In the place of
    one that was killed, `deliver` begins another one, unless nobody is to get numbers."""
    since = monotonic()
    ends = since + patience
    told = met = begun = False
    while True:
        pid = tree.exporter_pid(path)
        if pid == os.getpid():  # In another container.
            return
        if not pid and (met or not tree.exporter_runs(path)):
            if told or not tree.unfinished(path):
                return
            if begun:
                guard.say("the exporter ended too early; last numbers may be missing")
                return
            if not deliver():
                return
            begun, met, since = True, False, monotonic()
        met = met or pid > 0
        now = monotonic()
        if now > ends:
            guard.say("the exporter did not end in time; last numbers may be missing")
            return
        if now > since + LINGER and pid and not told:
            told = True
            _end(pid)
        pause()


def _end(exporter: int) -> None:
    try:
        os.kill(exporter, _signal.SIGTERM)
    except OSError:
        pass


def _is_first(path: str, own: process.Identity) -> bool:
    return directory.read_root(path) == (own.pid, own.start_ticks)


def _leave_mark(path: str, own: process.Identity) -> None:
    """For the exporter, to which this process is an ended one from now on."""
    try:
        os.unlink(f"{path}/{directory.ENDED}")
    except FileNotFoundError:
        pass
    directory.write_root(path, (own.pid, own.start_ticks), directory.ENDED)


def _exchange(handler: object) -> object:
    """Put this in the place of what the program does about a child that ends, and return that: the
    exporter is an orphan, and so the child of a container's first process."""
    before = _signal.getsignal(_signal.SIGCHLD)
    try:
        if callable(before) or callable(handler):
            _signal.signal(_signal.SIGCHLD, handler)
    except ValueError:  # Who has embedded Python ends it by another thread.
        pass
    return before


def _flush() -> None:
    """What the program has printed is not to wait with us: somebody may lose patience."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # Python tries again at once, and tells.
            pass


def _is_beside() -> bool:
    """Whether this is an interpreter beside the main one."""
    try:
        import _interpreters as known  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            import _xxsubinterpreters as known  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            return False
    return bool(known.get_current() != known.get_main())
