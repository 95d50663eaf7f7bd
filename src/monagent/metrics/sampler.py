"""One daemon thread per process that asks for what nobody tells: values that only a callback knows.

It is a bare thread (importing `threading` for the application could break its gevent), begun when
the first callback is registered and ended around every fork: no lock that a callback takes is held
in a child, and Python does not warn of a fork with threads (since 3.12; where warnings are errors,
3.15 fails).  A child has none before it records something.

Where gevent or eventlet has patched `_thread` it is a greenlet.  A native thread that finds out
ends before it calls anything (two hubs that come into being at once deadlock), and the next pulse
begins a greenlet.
"""

from __future__ import annotations

import _thread
import atexit

from monagent import guard
from monagent.clock import monotonic, perf_counter
from monagent.metrics.pulse import checks
from monagent.metrics.pulse import look as look_around
from monagent.store import shard
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Look = Callable[[], None]

SECONDS = 4.0
"""From one round to the next, so that what a callback told is 5 seconds old at most."""

FIRST = 1.0
"""From the beginning to the first round: the program may be about to patch itself."""

PATIENCE = 0.1
"""Seconds that a fork waits for a callback to come to its end."""

_OF_A_THREAD = (4, 5, 6, 7, 8, 11, 31)
"""SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: about what a thread did itself."""

_BUILTIN = type(len)


class _Thread:
    """A running sampler: releasing `end` ends it, `life` is held as long as it lives."""

    __slots__ = ("end", "ident", "life", "native_id", "pid", "start")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.start = _thread.start_new_thread
        self.end = _thread.allocate_lock()
        self.end.acquire()
        self.life = _thread.allocate_lock()
        self.life.acquire()
        self.ident = 0
        self.native_id = 0

    @property
    def listed(self) -> bool:
        """Whether the system has the thread still; False where it does not tell."""
        try:
            os.stat(f"/proc/self/task/{self.native_id}")
        except OSError:
            return False
        return True

    @property
    def native(self) -> bool:
        """Whether it is a thread of the system."""
        return isinstance(self.start, _BUILTIN)

    @property
    def current(self) -> bool:
        """Whether it still is the process's sampler, of the sort that is to be: a fork copies
        greenlets."""
        return self is _thread_now and self.start is _thread.start_new_thread


_looks: list[Look] = []
_turn = _thread.RLock()
_thread_now: _Thread | None = None
_due = 0.0
_over = False
_hooked = False


def watch(look: Look) -> None:
    """Calls `look` now and then from here on."""
    _looks.append(look)
    _hook()
    _begin()


def unwatch(look: Look) -> None:
    """Ends what `watch` began."""
    if look in _looks:
        _looks.remove(look)


def turn() -> _thread.RLock:
    """The lock that whoever calls callbacks holds: a generator among them must not be run twice at
    a time."""
    return _turn


def over() -> bool:
    """Whether the interpreter is ending, and what fails is nobody's fault."""
    return _over


def _begin() -> None:
    global _thread_now, _due
    if _thread_now is not None and _thread_now.pid != os.getpid():  # A fork without Python's hooks.
        _forked()
    if _thread_now is None and _looks and not _over:
        thread = _Thread()
        if _thread_now is not None:  # Another thread was faster.
            return
        _thread_now = thread
        _due = _due or monotonic() + min(FIRST, SECONDS)
        try:
            thread.start(_run, (thread,))
        except RuntimeError as error:  # No more threads for this process.
            _thread_now = None
            guard.failed("sampler", error)


def _run(thread: _Thread) -> None:
    global _thread_now, _due
    thread.ident = _thread.get_ident()
    thread.native_id = _thread.get_native_id()
    try:
        while not _ends(thread, max(0.0, _due - monotonic())):
            if not thread.current:
                break
            _due = monotonic() + SECONDS
            for look in list(_looks):
                try:
                    look()
                except BaseException as error:
                    _failed(error)
            look_around(perf_counter())
    finally:
        if _thread_now is thread:
            _thread_now = None
        thread.life.release()


def _ends(thread: _Thread, seconds: float) -> bool:
    """Whether its end comes within that time.

    Signals are not for a thread that waits: one that the system gave to it would wake nobody, and
    a worker of uWSGI would not end. What callbacks start inherits no such mask.
    """
    if not thread.native:
        return thread.end.acquire(True, seconds)
    import _signal  # type: ignore[import-not-found] # typeshed lacks it

    before = _signal.pthread_sigmask(
        _signal.SIG_BLOCK, _signal.valid_signals().difference(_OF_A_THREAD)
    )
    try:
        return thread.end.acquire(True, seconds)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _failed(error: BaseException) -> None:
    try:
        if not _over:
            guard.failed("sampler", error)
    except BaseException:  # An exit that a callback asked for, in a thread of ours.
        pass


def _hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_forked)
        shard.woken.append(_begin)
        checks.append(_begin)
        atexit.register(_finish)


def _pause() -> None:
    """Before a fork: ends the thread, or at least waits a little for its callback."""
    global _thread_now
    thread = _thread_now
    if thread is None or not thread.native or thread.ident == _thread.get_ident():
        return
    thread.end.release()
    if not thread.life.acquire(True, PATIENCE):
        thread.end.acquire(False)  # It goes on, unless it just saw the end.
        return
    _thread_now = None
    # It is through, and the system has it for another moment: a fork counts the system's threads.
    until = monotonic() + PATIENCE
    while thread.listed and monotonic() < until:
        thread.life.acquire(True, 0.0001)


def _resume() -> None:
    _begin()


def _forked() -> None:
    global _thread_now, _due, _turn
    _thread_now = None
    _due = 0.0
    _turn = _thread.RLock()


def _finish() -> None:
    global _over
    _over = True
