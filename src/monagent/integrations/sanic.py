"""Sanic: its own server, in one process or with workers, and its applications under ASGI servers.

Sanic rewrites some of its methods from their source when it starts, whatever was put around them
(`__touchup__`); all targets here are others. HTTP/3 is not recorded.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import _sanic, _sanic_websocket
from monagent.integrations._asgi import framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "sanic",
    versions=">=23.3",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of its server and of applications under ASGI "
    "servers, by route with blueprint prefixes and versions",
)


@replace("sanic.app", "Sanic.__call__")
def application(original: Any) -> Any:
    return framework(original)


@replace("sanic.asgi", "ASGIApp.respond")
def responding(original: Any) -> Any:
    return _sanic.responding(original)


@replace("sanic.request.types", "Request.__init__")
def arriving(original: Any) -> Any:
    return _sanic.arriving(original)


@replace("sanic.response.types", "BaseHTTPResponse.send")
def sending(original: Any) -> Any:
    return _sanic.sending(original)


@replace("sanic.http.http1", "Http.http1")
def serving(original: Any) -> Any:
    return _sanic.serving(original)


@replace("sanic.handlers.error", "ErrorHandler.response")
def raising(original: Any) -> Any:
    return _sanic.raising(original)


@replace("sanic.handlers.error", "ErrorHandler._lookup")
def raising_late(original: Any) -> Any:
    return _sanic.raising_late(original)


@replace("sanic.app", "Sanic._websocket_handler")
def handling(original: Any) -> Any:
    return _sanic_websocket.handling(original)


@replace("sanic.server.protocols.websocket_protocol", "WebSocketProtocol.websocket_handshake")
def upgrading(original: Any) -> Any:
    return _sanic_websocket.upgrading(original)


@replace("sanic.server.protocols.websocket_protocol", "WebSocketProtocol.connection_lost")
def losing(original: Any) -> Any:
    return _sanic_websocket.losing(original)


@replace("sanic.server.websockets.impl", "WebsocketImplProtocol.process_events")
def receiving(original: Any) -> Any:
    return _sanic_websocket.receiving(original)


@replace("sanic.server.websockets.impl", "WebsocketImplProtocol.send")
def messaging(original: Any) -> Any:
    return _sanic_websocket.messaging(original)
