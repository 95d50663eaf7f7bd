"""Sanic's WebSockets: open, messages each way, the code a connection was closed with.

Under ASGI servers they are measured from outside and only get their route here.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.conventions.realtime import Connection
from monagent.integrations._sanic import route_of, under_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OWN = "_monagent"
"""Under this name the `Connection` hangs on Sanic's `WebsocketImplProtocol`."""

_TEXT, _BINARY = 1, 2


def upgrading(original: Any) -> Any:
    """Wrapper of `WebSocketProtocol.websocket_handshake`."""

    async def websocket_handshake(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        websocket = await original(self, request, *args, **kwargs)
        try:
            exchange = under_way.pop(request.stream, None)
            if exchange is not None:
                exchange.disown()
                websocket._monagent = Connection(route_of(exchange))
        except BaseException as error:
            http.failed(error)
        return websocket

    return websocket_handshake


def receiving(original: Any) -> Any:
    """Wrapper of `WebsocketImplProtocol.process_events`, which gets whole frames."""

    async def process_events(self: Any, events: Any) -> None:
        try:
            connection = getattr(self, OWN, None)
            if connection is not None:
                for event in events:
                    if getattr(event, "opcode", None) in (_TEXT, _BINARY):
                        connection.received()
        except BaseException as error:
            http.failed(error)
        await original(self, events)

    return process_events


def messaging(original: Any) -> Any:
    """Wrapper of `WebsocketImplProtocol.send`."""

    async def send(self: Any, message: Any) -> None:
        await original(self, message)
        try:
            connection = getattr(self, OWN, None)
            if connection is not None:
                connection.sent()
        except BaseException as error:
            http.failed(error)

    return send


def handling(original: Any) -> Any:
    """Wrapper of `Sanic._websocket_handler`, which takes what a handler raises for itself."""

    async def _websocket_handler(
        self: Any, handler: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        async def watched(request: Any, websocket: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return await handler(request, websocket, *args, **kwargs)
            except Exception as error:
                try:
                    broke(request, websocket, error)
                except BaseException as ours:
                    http.failed(ours)
                raise

        try:
            exchange = getattr(request.transport, "scope", {}).get(KEY)
            if exchange is not None:
                exchange.routed("/" + request.route.path)
        except BaseException as error:
            http.failed(error)
        return await original(self, watched, request, *args, **kwargs)

    return _websocket_handler


def broke(request: Any, websocket: Any, error: BaseException) -> None:
    """A handler has raised; that its client is gone is no error of its own."""
    if "ConnectionClosed" in {kind.__name__ for kind in type(error).__mro__}:
        return
    # Sanic ends the connection as if all were well.
    if getattr(websocket, OWN, None) is not None:
        websocket._monagent_error = error_type(error)
    exchange = getattr(request.transport, "scope", {}).get(KEY)
    if exchange is not None:
        exchange.caught = error_type(error)


def losing(original: Any) -> Any:
    """Wrapper of `WebSocketProtocol.connection_lost`."""

    def connection_lost(self: Any, exc: Any) -> None:
        original(self, exc)
        try:
            connection = getattr(self.websocket, OWN, None)
            if connection is not None and connection.open:
                connection.code = code_of(self.websocket.ws_proto)
                connection.ended(getattr(self.websocket, "_monagent_error", None))
        except BaseException as error:
            http.failed(error)

    return connection_lost


def code_of(protocol: Any) -> int:
    """The code of whoever was the first to say one; 0: nobody was."""
    first = protocol.close_sent
    if first is None or protocol.close_rcvd_then_sent:
        first = protocol.close_rcvd
    return getattr(first, "code", 0)
