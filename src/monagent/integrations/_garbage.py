"""Garbage collections, put by without running a line of Python.

A pending signal is handled at the start of the next Python function, and so is an exception meant
for a thread. In a callback of gc that would be the end of it: gc prints what is raised there and
goes on, and a Ctrl-C or a timeout that came during a collection were lost. So what gc calls here is
C from end to end, and what it has put by is read later, where an exception reaches the program.
"""

from __future__ import annotations

import gc
from _collections import deque  # type: ignore[import-not-found] # typeshed lacks it
from _functools import partial  # type: ignore[import-not-found] # typeshed lacks it
from _operator import is_, itemgetter
from _thread import allocate_lock
from itertools import repeat, starmap

from monagent.clock import perf_counter
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Counts = tuple[int, int, int]
    """Collections, objects freed, objects that leak."""

MOST = 20_000
"""Collections whose pauses are put by; of more, the last ones are told."""


class _Steps(map):  # type: ignore[type-arg] # the real one cannot be subscribed
    """An iterator that goes a step when its attribute `start` or `stop` is set."""

    start = stop = property(None, next)  # next(steps, value)


class _Step(map):  # type: ignore[type-arg] # as above
    """An iterator that goes a step when `stop` is set."""

    start = property(None, is_)  # type: ignore[arg-type] # It does nothing, and in C.
    stop = property(None, next)


_said: dict[str, dict[str, int]] = {}
_put_by: Any = deque(maxlen=3 * MOST)  # start, stop, generation; start, stop, generation; …
_seen: list[Counts] = []  # by generation, what was told
_times = [0.0, 0.0]
_turn = [allocate_lock()]
_pid = [0]

_clock = _Steps(_put_by.append, starmap(perf_counter, repeat(())))
_generation = _Step(
    _put_by.append, map(itemgetter("generation"), starmap(_said.__getitem__, repeat(("stop",))))
)
CALLBACKS: tuple[Any, ...] = (
    _said.__setitem__,
    partial(setattr, _clock),
    partial(setattr, _generation),
)


def watch() -> None:
    """From here on put by every collection of this process."""
    forget()
    gc.callbacks.extend(CALLBACKS)


def unwatch() -> None:
    """Put by no more."""
    for callback in CALLBACKS:
        if callback in gc.callbacks:
            gc.callbacks.remove(callback)


def forget() -> None:
    """A forked child's begin: what happened before is the parent's to tell."""
    _pid[0] = os.getpid()
    _turn[0] = allocate_lock()
    _put_by.clear()
    _seen[:] = _counts()


def waiting() -> bool:
    """Whether there is something to tell."""
    return bool(_put_by)


def tell(counts: Callable[[int, Counts], object], pause: Callable[[int, float], object]) -> None:
    """Tell once what was put by: `counts` of each generation, `pause` of each collection."""
    if _pid[0] != os.getpid():  # Forked without Python's hooks, as uWSGI does.
        forget()
    turn = _turn[0]
    if not turn.acquire(False):
        return  # Another thread does it.
    try:
        now = _counts()
        before, _seen[:] = _seen[:], now
        for generation, (found, old) in enumerate(zip(now, before, strict=True)):
            if found[0] > old[0]:
                counts(generation, (found[0] - old[0], found[1] - old[1], found[2] - old[2]))
        while _put_by:
            item = _put_by.popleft()
            if type(item) is float:
                _times[:] = _times[1], item
                continue
            began, ended = _times
            _times[:] = 0.0, 0.0
            if began:  # Else its beginning was one too many to be put by.
                pause(item, ended - began)
    finally:
        turn.release()


def _counts() -> list[Counts]:
    return [
        (found["collections"], found["collected"], found["uncollectable"])
        for found in gc.get_stats()
    ]
