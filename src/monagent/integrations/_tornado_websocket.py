"""Tornado's WebSockets: open, messages each way, the code a connection was closed with.

The `Connection` hangs on the protocol object, of which handlers and clients have the same kind.
"""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.conventions._peers import of_url
from monagent.conventions.http import error_type
from monagent.conventions.realtime import Connection
from monagent.integrations._tornado_server import OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SWITCHED = 101
_TEXT, _BINARY = 1, 2
_NORMAL, _NONE = 1000, 1005


def upgraded(original: Any) -> Any:
    """Wrapper of `WebSocketHandler._detach_stream`: the handshake is over."""

    def _detach_stream(self: Any) -> Any:
        try:
            exchange = getattr(self.request.connection, OWN, None)
            if exchange is not None and exchange.status:
                self.ws_connection._monagent = Connection(exchange.route)
        except BaseException as error:
            http.failed(error)
        return original(self)

    return _detach_stream


def connected(original: Any) -> Any:
    """Wrapper of `WebSocketClientConnection.headers_received`: the server has answered."""

    async def headers_received(self: Any, start_line: Any, headers: Any) -> None:
        await original(self, start_line, headers)
        try:
            if start_line.code == _SWITCHED:
                self.protocol._monagent = Connection(None, of_url(self.request.url))
        except BaseException as error:
            http.failed(error)

    return headers_received


def message(original: Any) -> Any:
    """Wrapper of `WebSocketProtocol13._handle_message`, which sees control frames too."""

    def _handle_message(self: Any, opcode: int, data: bytes) -> Any:
        try:
            if opcode in (_TEXT, _BINARY):
                connection = getattr(self, OWN, None)
                if connection is not None and not self.client_terminated:
                    connection.received()
        except BaseException as error:
            http.failed(error)
        return original(self, opcode, data)

    return _handle_message


def sending(original: Any) -> Any:
    """Wrapper of `WebSocketProtocol13.write_message`."""

    def write_message(self: Any, message: Any, binary: bool = False) -> Any:
        written = original(self, message, binary)
        try:
            connection = getattr(self, OWN, None)
            if connection is not None:
                connection.sent()
        except BaseException as error:
            http.failed(error)
        return written

    return write_message


def leaving(original: Any) -> Any:
    """Wrapper of `WebSocketProtocol13.close`: the first to say so is the one whose code counts."""

    def close(self: Any, code: Any = None, reason: Any = None) -> None:
        try:
            connection = getattr(self, OWN, None)
            if connection is not None and not self.server_terminated and not self.client_terminated:
                connection.code = code or (_NONE if reason is None else _NORMAL)
        except BaseException as error:
            http.failed(error)
        original(self, code, reason)

    return close


def aborting(original: Any) -> Any:
    """Wrapper of `WebSocketProtocol._abort`, also called in the handling of an exception."""

    def _abort(self: Any) -> None:
        try:
            connection = getattr(self, OWN, None)
            if connection is not None and connection.open:
                error = sys.exc_info()[1]
                closed = sys.modules["tornado.iostream"].StreamClosedError
                mine = error is not None and not isinstance(error, closed)
                connection.ended(error_type(error) if error is not None and mine else None)
        except BaseException as error:
            http.failed(error)
        original(self)

    return _abort


def left(name: str, original: Any) -> Any:
    """Wrapper of `on_ws_connection_close`, an orderly end; the protocol has this name there."""

    def on_ws_connection_close(self: Any, close_code: Any = None, close_reason: Any = None) -> None:
        try:
            connection = getattr(getattr(self, name, None), OWN, None)
            if connection is not None and connection.open:
                connection.code = connection.code or close_code or _NONE
                connection.ended(None)
        except BaseException as error:
            http.failed(error)
        original(self, close_code, close_reason)

    return on_ws_connection_close
