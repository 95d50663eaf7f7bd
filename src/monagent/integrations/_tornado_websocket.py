"""Tornado's WebSocket handlers: open, messages each way, the code a connection was closed with."""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.conventions.http import error_type
from monagent.conventions.realtime import Connection
from monagent.integrations._tornado_server import OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def left(original: Any) -> Any:
    """Wrapper of `WebSocketHandler.on_ws_connection_close`: an orderly end."""

    def on_ws_connection_close(self: Any, close_code: Any = None, close_reason: Any = None) -> None:
        try:
            connection = getattr(self.ws_connection, OWN, None)
            if connection is not None and connection.open:
                connection.code = connection.code or close_code or _NONE
                connection.ended(None)
        except BaseException as error:
            http.failed(error)
        original(self, close_code, close_reason)

    return on_ws_connection_close
