"""WebSockets of aiohttp, whose two ends have the same methods. What is counted lies on the object
of the connection, from its acceptance on."""

from __future__ import annotations

from monagent import guard
from monagent.conventions._peers import of
from monagent.conventions.realtime import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DATA = frozenset((1, 2))
"""Of the types of messages, text and binary; pings and the like are the protocol's own."""


def receiving(original: Any) -> Any:
    """Wrapper of `receive`, which iteration and all other ways to receive come to."""

    async def receive(self: Any, *args: Any, **kwargs: Any) -> Any:
        message = await original(self, *args, **kwargs)
        try:
            counted = getattr(self, "_monagent", None)
            if counted.__class__ is Connection:
                if message.type in DATA:
                    counted.received()
                elif self.closed:
                    over(self, counted)
        except BaseException as error:
            guard.failed("aiohttp", error)
        return message

    return receive


def sending(original: Any) -> Any:
    """Wrapper of `send_str` and `send_bytes`."""

    async def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        try:
            counted = getattr(self, "_monagent", None)
            if counted.__class__ is Connection:
                counted.sent()
        except BaseException as error:
            guard.failed("aiohttp", error)
        return result

    return send


def sending_frame(original: Any) -> Any:
    """Wrapper of `send_frame`, which may send the protocol's own as well."""

    async def send_frame(self: Any, message: Any, opcode: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, message, opcode, *args, **kwargs)
        try:
            counted = getattr(self, "_monagent", None)
            if opcode in DATA and counted.__class__ is Connection:
                counted.sent()
        except BaseException as error:
            guard.failed("aiohttp", error)
        return result

    return send_frame


def closing(original: Any) -> Any:
    """Wrapper of `close`, which the library calls as well."""

    async def close(self: Any, **kwargs: Any) -> Any:
        try:
            counted = getattr(self, "_monagent", None)
            # Of a message that it refuses `receive` has noted the code before.
            first = not self.close_code or self.close_code == kwargs.get("code")
            if counted.__class__ is Connection and counted.open and first:
                counted.code = int(kwargs.get("code", 1000))  # closed from this end
        except BaseException as error:
            guard.failed("aiohttp", error)
        try:
            return await original(self, **kwargs)
        finally:
            try:
                if counted.__class__ is Connection:
                    over(self, counted)
            except BaseException as error:
                guard.failed("aiohttp", error)

    return close


def connected(original: Any) -> Any:
    """Wrapper of `ClientWebSocketResponse.__init__`."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            url = self._response.url
            self._monagent = Connection(None, of(url.scheme, url.host or "", url.port))
        except BaseException as error:
            guard.failed("aiohttp", error)

    return __init__


def over(socket: Any, counted: Connection) -> None:
    """The connection is closed."""
    counted.code = counted.code or int(socket.close_code or 0)
    counted.ended(None)
