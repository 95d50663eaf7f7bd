"""Work beside the event loop: in one thread after the other, or in a thread of its own.

Not `concurrent.futures`: its threads take no work any more once the interpreter begins to end,
which is when an exporter inside a program delivers.  Where no thread can be started (CPython 3.12
starts none by then) the loop waits for the work.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


def _run(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], work: Callable[[], Any]
) -> None:
    result: Any = None
    failure: BaseException | None = None
    try:
        result = work()
    except BaseException as error:
        failure = error

    def tell() -> None:
        if future.cancelled():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # The loop has ended meanwhile and nobody waits.
        pass


def alone(work: Callable[[], T]) -> Awaitable[T]:
    """Does this in a thread of its own, which nobody waits for at the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    if not _started(threading.Thread(target=_run, args=(loop, future, work), daemon=True)):
        _run(loop, future, work)
    return future


def _started(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


class Worker:
    """One thread that does one thing after the other."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        thread = threading.Thread(target=self._work, name="monagent-worker", daemon=True)
        self._thread = thread if _started(thread) else None

    def do(self, work: Callable[[], T]) -> Awaitable[T]:
        """Does this after everything that was asked for before."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._thread is None:
            _run(loop, future, work)
        else:
            self._jobs.put((loop, future, work))
        return future

    def end(self) -> None:
        """Ends the thread after what it has been given."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(5.0)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _run(*job)
