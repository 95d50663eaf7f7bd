"""python-engineio, what carries Socket.IO: its requests are one route, its WebSockets connections.

Under ASGI a WebSocket is counted where every one is; under WSGI it comes as a request that lasts as
long as it does, and is taken out of the requests here.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.realtime import Connection
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange

LIBRARY = Library(
    "engineio",
    distribution="python-engineio",
    versions=">=4.4",
    records=("http", "realtime"),
    covers="polling requests as one route, and WebSockets, also those under WSGI",
)


@replace("engineio.async_drivers.asgi", "ASGIApp.__call__")
def asgi(original: Any) -> Any:
    async def routed(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        try:
            if scope["type"] != "lifespan" and KEY in scope:
                found = taken(self, scope["path"])
                if found is not None:
                    said(scope[KEY], found)
        except BaseException as error:
            http.failed(error)
        return await original(self, scope, receive, send)

    return _asgi.framework(routed)


@replace("engineio.middleware", "WSGIApp.__call__")
def wsgi(original: Any) -> Any:
    def routed(self: Any, environ: Any, start_response: Any) -> Any:
        try:
            found = taken(self, environ.get("PATH_INFO") or "")
            if found is not None and KEY in environ:
                said(environ[KEY], found)
        except BaseException as error:
            http.failed(error)
        return original(self, environ, start_response)

    return _wsgi.measured_method(routed)


@replace("engineio.socket", "Socket._upgrade_websocket")
def upgrade(original: Any) -> Any:
    def _upgrade_websocket(self: Any, environ: Any, start_response: Any) -> Any:
        connection = None
        try:
            exchange = environ.get(KEY)
            if exchange is not None and not self.upgraded:
                exchange.disown()
                connection = self._monagent = Connection(exchange.route)
        except BaseException as error:
            http.failed(error)
        try:
            return original(self, environ, start_response)
        finally:
            try:
                if connection is not None:
                    connection.code = connection.code or 1000
                    connection.ended(None)
            except BaseException as error:
                http.failed(error)

    return _upgrade_websocket


@replace("engineio.socket", "Socket._websocket_handler")
def serving(original: Any) -> Any:
    def _websocket_handler(self: Any, ws: Any) -> Any:
        counted = ws
        try:
            connection = self.__dict__.get("_monagent")
            if connection is not None and connection.open:
                counted = Counted(ws, connection)
        except BaseException as error:
            http.failed(error)
        return original(self, counted)

    return _websocket_handler


class Counted:
    """Stands in for the WebSocket of whichever server, towards engineio alone."""

    def __init__(self, ws: Any, connection: Connection) -> None:
        self._ws = ws
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ws, name)

    def wait(self) -> Any:
        """The next message; None at the end."""
        message = self._ws.wait()
        try:
            if message is not None:
                self._connection.received()
        except BaseException as error:
            http.failed(error)
        return message

    def send(self, message: Any) -> Any:
        """A message to the client."""
        answer = self._ws.send(message)
        try:
            self._connection.sent()
        except BaseException as error:
            http.failed(error)
        return answer


def said(exchange: Exchange, path: str) -> None:
    """The path is the route. Mounted in Starlette, it is the whole one, with the mount's own."""
    if exchange.prefix and path.startswith(exchange.prefix):
        exchange.route = path
    else:
        exchange.routed(path)


def taken(app: Any, path: str) -> str | None:
    """The route, if the path is one that engineio answers."""
    prefix = app.engineio_path
    if prefix is None:
        return "/"
    return str(prefix) if (path + "/").startswith(prefix) else None
