"""What is recorded by a library above: while it goes on, those below record nothing.

A mark in the context says so, also to the threads and tasks that are handed a copy of it. Tasks of
asyncio may share a context itself (from Python 3.11 on), and then cover what they do, no other's.
"""

from __future__ import annotations

import gc
import os
import sys
from contextvars import Context, ContextVar

from monagent import guard
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

covers: ContextVar[Any] = ContextVar("monagent_database", default=[])  # noqa: B039
"""True while an operation goes on that is recorded above.

Objects, not flags: a task or callback that is started meanwhile inherits the context for good, and
must not stay silent for good."""

covered: Callable[[], object] = getattr(part, "covered", covers.get)
"""Whether (true or false) a library above records what is going on."""

_tasks: set[int] = set()
"""Those that have a mark which is on, where there is no part in C: a context that is shared holds
the last mark only."""


class Mark(list[bool]):
    """Of a statement: true, to those that it covers, until it is cleared."""

    __slots__ = ("task",)
    task: int

    def put_on(self) -> None:
        """From here on libraries below record nothing."""
        self.append(True)
        self.task = 0
        if _known:
            self.note()
        covers.set(self)

    def note(self) -> None:
        """To be found by its task, if there is one."""
        task = _task()
        if task is not None:
            self.task = id(task)
            _tasks.add(self.task)

    def clear(self) -> None:
        """From here on libraries below record what they do."""
        del self[:]
        if self.task:
            _tasks.discard(self.task)

    def __bool__(self) -> bool:
        if self.task:
            task = _task() if _tasks else None
            if task is not None:
                return id(task) in _tasks
        return len(self) > 0


def _noted() -> Mark:
    """A mark that is found by its task alone."""
    made = Mark((True,))
    made.task = 0
    made.note()
    return made


noted: Callable[[], Mark] = getattr(part, "noted", _noted)


class Cover:
    """Until it is cleared, libraries below record nothing."""

    __slots__ = ("context", "noted", "on")

    def __init__(self) -> None:
        self.on = not covered()
        self.context = 0
        self.noted: Mark | None = None
        if self.on:
            task = _task()
            if task is not None:
                self.context = _context_of(task)
                self.noted = noted()
            covers.set(self)

    def clear(self) -> None:
        """From here on libraries below record what they do."""
        self.on = False
        if self.noted is not None:
            self.noted.clear()

    def __bool__(self) -> bool:
        if self.on and self.noted is not None:
            task = _task()  # None: a thread that was handed the context
            if task is not None and id(task) not in _tasks:
                return _context_of(task) != self.context
        return self.on


def covering(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as covered, wherever it will run: for what hands work to another thread."""

    def run(*args: Any, **kwargs: Any) -> Any:
        cover = None
        try:
            cover = Cover()
        except BaseException as error:
            guard.failed("database", error)
        try:
            return function(*args, **kwargs)
        finally:
            if cover is not None:
                cover.clear()

    return run


def in_tasks() -> None:
    """From here on statements may be sent by tasks of asyncio, and then cover what their task does.

    Outside of tasks the context says it.
    """
    tasks = sys.modules.get("asyncio.tasks")
    events = sys.modules.get("asyncio.events")
    if tasks is None or events is None:
        return
    own: Any = tasks.current_task
    if sys.version_info < (3, 12):  # a function of Python's
        own = vars(tasks)["_current_tasks"]
    if part is not None:
        part.use_tasks(events._get_running_loop, own)
    if sys.version_info >= (3, 11):  # Before, no two tasks share a context.
        _known[:] = events._get_running_loop, getattr(own, "get", own)


_known: list[Callable[..., Any]] = []
"""What gives the loop that runs, and its task, once there are tasks that may share contexts."""


def _task() -> Any:
    """The task that runs, None where none does."""
    if not _known:
        return None
    running_loop, task_of = _known
    loop = running_loop()
    return None if loop is None else task_of(loop)


def _context_of(task: Any) -> int:
    """The context that a task runs in, by its id."""
    if hasattr(task, "get_context"):
        return id(task.get_context())
    # Until 3.11 tasks do not tell.
    return next((id(one) for one in gc.get_referents(task) if type(one) is Context), 0)


if part is None:
    os.register_at_fork(after_in_child=_tasks.clear)
