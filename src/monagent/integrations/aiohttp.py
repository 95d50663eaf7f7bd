"""aiohttp, both sides: requests of aiohttp.web whatever runs it, calls of sessions, WebSockets."""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import (
    _aiohttp_answer,
    _aiohttp_client,
    _aiohttp_pool,
    _aiohttp_server,
    _aiohttp_socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "aiohttp",
    versions=">=3.8.3",
    records=("http", "http_client", "realtime"),
    covers="requests, event streams and WebSockets of aiohttp.web by resource; calls, connections "
    "and WebSockets of client sessions",
)


@replace("aiohttp.web_protocol", "RequestHandler._handle_request")
def handling(original: Any) -> Any:
    return _aiohttp_server.handling(original)


@replace("aiohttp.web_protocol", "RequestHandler.handle_error")
def failing(original: Any) -> Any:
    return _aiohttp_server.failing(original)


@replace("aiohttp.web_server", "Server.shutdown")
def stopping(original: Any) -> Any:
    return _aiohttp_server.stopping(original)


@replace("aiohttp.web_response", "StreamResponse.prepare")
def preparing(original: Any) -> Any:
    return _aiohttp_answer.preparing(original)


@replace("aiohttp.web_response", "StreamResponse.write_eof")
def ending(original: Any) -> Any:
    return _aiohttp_answer.ending(original)


@replace("aiohttp.web_fileresponse", "FileResponse._sendfile")
def sending_file(original: Any) -> Any:
    return _aiohttp_answer.sending_file(original)


@replace("aiohttp.http_writer", "StreamWriter.write")
def writing(original: Any) -> Any:
    return _aiohttp_answer.writing(original)


@replace("aiohttp.client", "ClientSession._request")
def requesting(original: Any) -> Any:
    return _aiohttp_client.requesting(original)


@replace("aiohttp.client_reqrep", "ClientRequest.write_bytes")
def uploading(original: Any) -> Any:
    return _aiohttp_client.writing(original)


@replace(
    "aiohttp.client_middleware_digest_auth", "DigestAuthMiddleware._authenticate", optional=True
)
def identifying(original: Any) -> Any:
    return _aiohttp_client.identifying(original)


@replace("aiohttp.connector", "Connection.close")
def abandoning(original: Any) -> Any:
    return _aiohttp_client.closing(original)


@replace("aiohttp.connector", "Connection.__init__")
def acquiring(original: Any) -> Any:
    return _aiohttp_pool.acquiring(original)


@replace("aiohttp.connector", "BaseConnector.__init__")
def making(original: Any) -> Any:
    return _aiohttp_pool.making(original, connecting)


@replace("aiohttp.connector", "BaseConnector._release")
def giving(original: Any) -> Any:
    return _aiohttp_pool.giving(original)


@replace("aiohttp.connector", "BaseConnector._wait_for_available_connection", optional=True)
def waiting(original: Any) -> Any:
    return _aiohttp_pool.waiting(original)


def connecting(original: Any) -> Any:  # declared when it is met: newer versions are not to pay it
    return _aiohttp_pool.connecting(original)


@replace("aiohttp.client_proto", "ResponseHandler.close")
@replace("aiohttp.client_proto", "ResponseHandler.abort", optional=True)
@replace("aiohttp.client_proto", "ResponseHandler.connection_lost")
def closing(original: Any) -> Any:
    return _aiohttp_pool.closing(original)


@replace("aiohttp.web_ws", "WebSocketResponse.receive")
@replace("aiohttp.client_ws", "ClientWebSocketResponse.receive")
def receiving(original: Any) -> Any:
    return _aiohttp_socket.receiving(original)


@replace("aiohttp.web_ws", "WebSocketResponse.send_str")
@replace("aiohttp.web_ws", "WebSocketResponse.send_bytes")
@replace("aiohttp.client_ws", "ClientWebSocketResponse.send_str")
@replace("aiohttp.client_ws", "ClientWebSocketResponse.send_bytes")
def sending(original: Any) -> Any:
    return _aiohttp_socket.sending(original)


@replace("aiohttp.web_ws", "WebSocketResponse.send_frame", optional=True)  # from 3.11 on
@replace("aiohttp.client_ws", "ClientWebSocketResponse.send_frame", optional=True)
def sending_frame(original: Any) -> Any:
    return _aiohttp_socket.sending_frame(original)


@replace("aiohttp.web_ws", "WebSocketResponse.close")
@replace("aiohttp.client_ws", "ClientWebSocketResponse.close")
def closing_socket(original: Any) -> Any:
    return _aiohttp_socket.closing(original)


@replace("aiohttp.client_ws", "ClientWebSocketResponse.__init__")
def connected(original: Any) -> Any:
    return _aiohttp_socket.connected(original)
