"""uvloop: errors that reach its loops' handler. Delay and tasks are watched as asyncio's."""

from __future__ import annotations

from monagent import guard
from monagent.instrument import Library, replace
from monagent.integrations import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "uvloop",
    versions=">=0.17",
    records=("errors",),
    covers="errors that nobody awaited",
)


@replace("uvloop", "Loop.call_exception_handler")
def unhandled(original: Any) -> Any:
    def call_exception_handler(self: Any, context: Any) -> Any:
        try:
            asyncio.tell(context)
        except BaseException as error:
            guard.failed("uvloop", error)
        return original(self, context)

    return call_exception_handler
