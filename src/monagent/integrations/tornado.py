"""Tornado: its HTTP server with whatever it serves, WebSocket handlers, and its HTTP clients.

A request's numbers hang on Tornado's `HTTP1Connection`, of which the server makes one for each.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import (
    _tornado_arrival,
    _tornado_client,
    _tornado_delegate,
    _tornado_pool,
    _tornado_routes,
    _tornado_server,
    _tornado_websocket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "tornado",
    versions=">=6.2",
    records=("http", "realtime", "http_client"),
    covers="requests, event streams and WebSockets of its server, by rule, also of WSGI "
    "applications in it and of delegates; calls of its HTTP clients, simple and curl; connections "
    "and queue of the simple one; its WebSocket client",
)


@replace("tornado.routing", "_RoutingDelegate.headers_received")
def arriving(original: Any) -> Any:
    return _tornado_arrival.arriving(original)


@replace("tornado.httpserver", "_CallableAdapter.headers_received")
def called(original: Any) -> Any:
    return _tornado_arrival.called(original)


@replace("tornado.http1connection", "HTTP1ServerConnection.start_serving")
def serving(original: Any) -> Any:
    return _tornado_delegate.serving(original)


@replace("tornado.http1connection", "_GzipMessageDelegate.data_received")
def unpacking(original: Any) -> Any:
    return _tornado_arrival.unpacking(original)


@replace("tornado.routing", "_RoutingDelegate.data_received")
def receiving(original: Any) -> Any:
    return _tornado_arrival.receiving(original)


@replace("tornado.httpserver", "_CallableAdapter.finish")
def received(original: Any) -> Any:
    return _tornado_arrival.received(original)


@replace("tornado.web", "RequestHandler._handle_request_exception")
def raising(original: Any) -> Any:
    return _tornado_server.raising(original)


@replace("tornado.wsgi", "WSGIContainer.environ")
def environ(original: Any) -> Any:
    return _tornado_arrival.environ(original)


@replace("tornado.http1connection", "HTTP1Connection.write_headers")
def heading(original: Any) -> Any:
    return _tornado_server.heading(original)


@replace("tornado.http1connection", "HTTP1Connection.write")
def writing(original: Any) -> Any:
    return _tornado_server.writing(original)


@replace("tornado.http1connection", "HTTP1Connection._finish_request")
def finishing(original: Any) -> Any:
    return _tornado_server.finishing(original)


@replace("tornado.http1connection", "HTTP1Connection.detach")
def detaching(original: Any) -> Any:
    return _tornado_server.detaching(original)


@replace("tornado.http1connection", "HTTP1Connection.close")
def closing(original: Any) -> Any:
    return _tornado_server.closing(original)


@replace("tornado.httpserver", "HTTPServer.on_close")
def closed(original: Any) -> Any:
    return _tornado_server.closed(original)


@replace("tornado.web", "Application.get_handler_delegate")
def handler(original: Any) -> Any:
    return _tornado_routes.handler(original)


@replace("tornado.httpserver", "_CallableAdapter.__init__")
def function(original: Any) -> Any:
    return _tornado_routes.function(original)


@replace("tornado.websocket", "WebSocketHandler._detach_stream")
def upgraded(original: Any) -> Any:
    return _tornado_websocket.upgraded(original)


@replace("tornado.websocket", "WebSocketProtocol13._handle_message")
def message(original: Any) -> Any:
    return _tornado_websocket.message(original)


@replace("tornado.websocket", "WebSocketProtocol13.write_message")
def sending(original: Any) -> Any:
    return _tornado_websocket.sending(original)


@replace("tornado.websocket", "WebSocketProtocol13.close")
def leaving(original: Any) -> Any:
    return _tornado_websocket.leaving(original)


@replace("tornado.websocket", "WebSocketProtocol._abort")
def aborting(original: Any) -> Any:
    return _tornado_websocket.aborting(original)


@replace("tornado.websocket", "WebSocketHandler.on_ws_connection_close")
def left(original: Any) -> Any:
    return _tornado_websocket.left("ws_connection", original)


@replace("tornado.websocket", "WebSocketClientConnection.headers_received")
def connected(original: Any) -> Any:
    return _tornado_websocket.connected(original)


@replace("tornado.websocket", "WebSocketClientConnection.on_ws_connection_close")
def left_by_client(original: Any) -> Any:
    return _tornado_websocket.left("protocol", original)


@replace("tornado.httpclient", "AsyncHTTPClient.fetch")
def fetching(original: Any) -> Any:
    return _tornado_client.fetching(original)


@replace("tornado.simple_httpclient", "_HTTPConnection._write_body")
def uploading(original: Any) -> Any:
    return _tornado_client.uploading(original)


@replace("tornado.simple_httpclient", "_HTTPConnection.data_received")
def counting(original: Any) -> Any:
    return _tornado_client.counting(original)


@replace("tornado.simple_httpclient", "_HTTPConnection._run_callback")
def answering(original: Any) -> Any:
    return _tornado_client.answering(original)


@replace("tornado.simple_httpclient", "SimpleAsyncHTTPClient.initialize")
def making(original: Any) -> Any:
    return _tornado_pool.making(original)


@replace("tornado.simple_httpclient", "SimpleAsyncHTTPClient.fetch_impl")
def queueing(original: Any) -> Any:
    return _tornado_pool.queueing(original)


@replace("tornado.simple_httpclient", "SimpleAsyncHTTPClient._handle_request")
def starting(original: Any) -> Any:
    return _tornado_pool.starting(original)


@replace("tornado.simple_httpclient", "SimpleAsyncHTTPClient._on_timeout")
def giving_up(original: Any) -> Any:
    return _tornado_pool.giving_up(original)


@replace("tornado.simple_httpclient", "_HTTPConnection._create_connection")
def connecting(original: Any) -> Any:
    return _tornado_pool.connecting(original)


@replace("tornado.simple_httpclient", "_HTTPConnection._release")
def releasing(original: Any) -> Any:
    return _tornado_pool.releasing(original)


@replace("tornado.curl_httpclient", "CurlAsyncHTTPClient._finish")
def finishing_curl(original: Any) -> Any:
    return _tornado_client.finishing_curl(original)
