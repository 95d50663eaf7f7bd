"""asyncio: how late running event loops are, their tasks, and errors that reach their handler.

Every loop, uvloop's too, says by `_set_running_loop` that it runs now; a timer on it does the rest.
"""

from __future__ import annotations

from _thread import _local

from monagent import guard
from monagent.conventions import errors
from monagent.instrument import Call, Library, Observed, substitute, watch
from monagent.integrations import _loops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "asyncio",
    versions="",
    records=("runtime", "errors"),
    covers="delay and tasks of running event loops, errors that nobody awaited",
)

_running = _local()


@substitute("asyncio.events", "_set_running_loop")
def telling(original: Any) -> Any:
    def _set_running_loop(loop: Any, /) -> None:
        original(loop)
        try:
            changed(loop)
        except BaseException as error:
            guard.failed("asyncio", error)

    return _set_running_loop


def changed(loop: Any) -> None:
    """Another loop, or none, runs in this thread from here on."""
    watched = vars(_running).pop("watch", None)
    if watched is not None:
        if watched.loop is loop:  # A loop within itself, as nest_asyncio has it.
            _running.watch = watched
            return
        watched.stop()
    if loop is not None and not guard.off("asyncio") and _loops.keeps_time(loop):
        _running.watch = _loops.Watch(loop)


@watch("asyncio.base_events", "BaseEventLoop.call_exception_handler")
def unhandled(call: Call) -> Observed:
    tell(call.argument(0, "context"))
    yield


def tell(context: Any) -> None:
    """Count what a loop's exception handler is told; some of it comes without an exception."""
    error = context.get("exception")
    errors.uncaught(None if error is None else type(error), errors.ERROR)
