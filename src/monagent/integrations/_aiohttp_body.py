"""aiohttp's client: bodies that are still to come when a call has its answer.

The reader of a body tells of its end: it calls what it was given for that, or lets go of it when no
more bytes come or nobody wants them.
"""

from __future__ import annotations

import sys

from monagent.conventions import _open
from monagent.conventions._calls import Following
from monagent.conventions.http_client import ACTIVE, Streamed
from monagent.integrations import _http_client
from monagent.integrations._http_client import declared, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

READING: set[CodeType] = set()
"""The functions in which the library waits for more of a body."""


class Body:
    """The body of an answer that is still to come; its reader alone holds this until it has, and
    calls it then, or lets go of it when no more bytes come or nobody wants them."""

    __slots__ = ("content", "headers", "streamed")

    def __init__(self, response: Any, streamed: Streamed) -> None:
        self.headers = response.headers
        self.streamed = streamed
        self.content = response.content
        self.content.on_eof(self)

    def __call__(self) -> None:
        self.over()

    def __del__(self) -> None:
        try:
            content = getattr(self, "content", None)  # not there if its making has failed
            if content is not None and content.exception() is not None:
                self.over(reason(content, content.exception()))
        except BaseException as error:
            failed("aiohttp", error)

    def over(self, error: BaseException | None = None) -> None:
        """The last byte has come, or none will."""
        try:
            self.streamed.end(received(self.content, self.headers), error)
        except BaseException as ours:
            failed("aiohttp", ours)


class Awaited(Following):
    """The same of a plain call, in C."""

    __slots__ = ()

    def over(self) -> None:
        """The last byte has come, and something is not plain."""
        try:
            self.streamed().end(received(self.content, ()))
        except BaseException as error:
            failed("aiohttp", error)

    def dropped(self) -> None:
        """The last byte has not come."""
        try:
            streamed, given = self.streamed(), self.content.exception()
            if given is not None:
                streamed.end(received(self.content, ()), reason(self.content, given))
        except BaseException as error:
            failed("aiohttp", error)

    def streamed(self) -> Streamed:
        """What counts the call, at the latest when it is let go of."""
        return Streamed(self.calls, self.seconds, self.status, 0)


_open.watch(Awaited, ACTIVE)


def received(content: Any, headers: Any) -> int:
    """Bytes of an answer's body, compressed where they are."""
    size = getattr(content, "total_bytes", 0)  # of none there was no count until 3.10
    if size and "Content-Encoding" in headers:
        size = getattr(content, "total_raw_bytes", None)  # since 3.14
        return declared(headers) if size is None else int(size)
    return int(size)


def reason(content: Any, given: Any) -> BaseException | None:
    """What ended the body before its end; None where it was the application's choice."""
    raised = sys.exc_info()[1]
    if raised is not None and _http_client.locals_of(READING, raised).get("self") is content:
        return raised  # A timeout of the whole call, or it was cancelled.
    closed = type(given).__name__ == "ClientConnectionError" and given.__cause__ is None
    return None if closed or not isinstance(given, BaseException) else given
