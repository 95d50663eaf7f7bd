"""What every Python has: garbage collection, exceptions that end it, exceptions it must ignore.

Begun in every program, also those that import no library we know, so it imports nothing. Pauses are
put by until recording begins, at the latest when a program of some length ends.

`sys.excepthook` stays as it is (libraries ask whether it is Python's own): the interpreter leaves
the exception that ended it in `sys.last_value`, where it is found at the end.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from time import perf_counter

from monagent import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST = 10_000
"""Collections put by; a program without any known library that has more tells of none."""

LONG = 1.0
"""Seconds of life after which a program's collections are recorded at its end."""

_begin: list[Callable[[], None]] = []
_record: list[Any] = []
_waiting: list[tuple[int, int, int, float]] = []
_started = [0.0, 0.0]  # this process, the collection under way


def start(begin: Callable[[], None], collections: bool, endings: bool) -> None:
    """Watch this process. `begin` makes recording possible; it may be called twice."""
    _begin[:] = [begin]
    _started[0] = perf_counter()
    if collections:
        gc.callbacks.append(collection)
        os.register_at_fork(after_in_child=_waiting.clear)
    if collections or endings:
        atexit.register(end, endings)


def collection(phase: str, info: dict[str, int]) -> None:
    """A garbage collection begins or ends: gc calls this."""
    if phase == "start":
        _started[1] = perf_counter()
        return
    try:
        seconds = perf_counter() - _started[1]
        found = info["generation"], info["collected"], info["uncollectable"], seconds
        if _record:
            _record[0](*found)
        elif len(_waiting) < MOST:
            # Recording cannot begin here: an import inside of an import breaks it before 3.12.
            _waiting.append(found)
    except BaseException as error:
        _failed(error)


def record() -> None:
    """From here on record at once, beginning with what was put by."""
    from monagent.conventions import runtime

    _record[:] = [runtime.collected]
    while _waiting:
        _record[0](*_waiting.pop())


def end(endings: bool) -> None:
    """The program ends: atexit calls this after all that the program has registered."""
    try:
        if endings and ended_by() is not None:
            _begin[0]()
            from monagent.conventions import errors

            errors.uncaught(ended_by(), errors.CRITICAL)
        if 0 < len(_waiting) < MOST and perf_counter() - _started[0] >= LONG:
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
    if guard.off("interpreter") and collection in gc.callbacks:
        gc.callbacks.remove(collection)
