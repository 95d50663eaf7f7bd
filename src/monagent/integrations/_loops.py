"""Watching a running event loop from within: how late it is, and how many tasks it has."""

from __future__ import annotations

import sys
from _contextvars import Context

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions import runtime
from monagent.metrics.pulse import look
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EVERY = 0.25
"""Seconds between two looks at the delay."""

COUNT_EVERY = 1.0
SHARE = 1_000
"""Counting tasks visits each; it may take this part of the time, so large numbers are old ones."""


class Watch:
    """The watch of one loop, while it runs."""

    __slots__ = ("_context", "_counted", "_due", "_handle", "_next_count", "_pid", "loop")

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self._context = Context()  # An empty one is made faster than the caller's is copied.
        self._counted = 0
        self._pid = os.getpid()
        self._next_count = 0.0
        self._again()

    def stop(self) -> None:
        """The loop stops; it may run again. A child that a running loop forks stops it too (by a
        hook of asyncio's since 3.12, else with a loop of its own), and has told no tasks of it."""
        self._handle.cancel()
        if self._pid == os.getpid():
            runtime.tasks(-self._counted)

    def _again(self) -> None:
        self._due = perf_counter() + EVERY
        self._handle = _later(self.loop, self._look, self._context)

    def _look(self) -> None:
        try:
            now = perf_counter()
            runtime.delayed(now - self._due)
            if now >= self._next_count:
                self._count(now)
            self._again()
            look(now)
        except BaseException as error:
            guard.failed("asyncio", error)

    def _count(self, now: float) -> None:
        try:
            found = len(sys.modules["asyncio"].all_tasks(self.loop))
        except RuntimeError:  # Granian has a task of no loop with `--task-impl rust`.
            found = 0
        if self._pid != os.getpid():  # A forked child goes on with the loop.
            self._pid, self._counted = os.getpid(), 0
        runtime.tasks(found - self._counted)
        self._counted = found
        took = perf_counter() - now
        self._next_count = now + max(COUNT_EVERY - EVERY / 2, took * SHARE)


def _later(loop: Any, callback: Any, context: Context) -> Any:
    """As `loop.call_later(EVERY, …)`, but not by methods of the program's own class, which may take
    no context, or tell of every call."""
    base = sys.modules["asyncio.base_events"].BaseEventLoop
    if isinstance(loop, base):
        return base.call_at(loop, loop.time() + EVERY, callback, context=context)
    return loop.call_later(EVERY, callback, context=context)


def keeps_time(loop: Any) -> bool:
    """Whether the loop's clock is the machine's: tests have loops whose time leaps to the next
    timer, and would leap for ours for ever."""
    kind = type(loop)
    if kind.__module__.partition(".")[0] == "uvloop":
        return True
    base = getattr(sys.modules.get("asyncio.base_events"), "BaseEventLoop", None)
    return base is not None and getattr(kind, "time", None) is base.time
