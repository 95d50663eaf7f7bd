"""What every Python has: garbage collection, exceptions that end it, exceptions it must ignore.

Begun in every program, also those that import no library we know, so it imports nothing that is
not built in. Collections are put by until the next look at the surroundings while something is
recorded, at the latest until a program of some length ends.

`sys.excepthook` stays as it is (libraries ask whether it is Python's own): the interpreter leaves
the exception that ended it in `sys.last_value`, where it is found at the end.
"""

from __future__ import annotations

import atexit
import os
import sys

from monagent import guard
from monagent.clock import perf_counter
from monagent.integrations import _garbage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONG = 1.0
"""Seconds of life after which a program's collections are recorded at its end."""

_begin: list[Callable[[], None]] = []
_recording: list[bool] = []
_started = [0.0]


def start(begin: Callable[[], None], collections: bool, endings: bool) -> None:
    """Watch this process. `begin` makes recording possible; it may be called twice."""
    _begin[:] = [begin]
    _started[0] = perf_counter()
    if collections:
        _garbage.watch()
        os.register_at_fork(after_in_child=_garbage.forget)
    if collections or endings:
        atexit.register(end, collections, endings)


def record() -> None:
    """Tell of the collections since the last time; from the first time on something records."""
    _recording[:] = [True]
    if guard.off("interpreter"):
        return
    try:
        from monagent.conventions import runtime

        _garbage.tell(runtime.collected, runtime.paused)
    except BaseException as error:
        _failed(error)


def end(collections: bool, endings: bool) -> None:
    """The program ends: atexit calls this after all that the program has registered."""
    try:
        if endings and ended_by() is not None:
            _begin[0]()
            from monagent.conventions import errors

            errors.uncaught(ended_by(), errors.CRITICAL)
        long = bool(_recording) or perf_counter() - _started[0] >= LONG
        if collections and long and _garbage.waiting():
            _begin[0]()
            record()
    except BaseException as error:
        _failed(error)


def ended_by() -> type | None:
    """Type of the exception that ends this program; None when it ends otherwise.

    Debuggers and test runners leave exceptions of their own there, cut down to the interesting
    frames; one that nobody caught begins at the outermost frame.
    """
    error = getattr(sys, "last_value", None)
    traceback = getattr(sys, "last_traceback", None)
    if error is None or traceback is None or traceback.tb_frame.f_back is not None:
        return None
    if hasattr(sys, "ps1") or sys.flags.interactive or isinstance(error, KeyboardInterrupt):
        return None
    return type(error)


def watch_ignored() -> None:
    """Count exceptions that can only be printed: those of destructors and of callbacks from C."""
    from monagent.conventions import errors

    original = sys.unraisablehook
    ends = sys.is_finalizing  # Closed over: it is called after modules have been emptied as well.

    def unraisablehook(unraisable: Any, /) -> Any:
        if not ends():
            try:
                errors.uncaught(unraisable.exc_type, errors.WARNING)
            except BaseException as error:
                _failed(error)
        return original(unraisable)

    sys.unraisablehook = unraisablehook


def _failed(error: BaseException) -> None:
    guard.failed("interpreter", error)
    if guard.off("interpreter"):
        _garbage.unwatch()
