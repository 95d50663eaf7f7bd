"""Tornado's server whose application is an `HTTPServerConnectionDelegate` of the user's own.

A request begins where Tornado's own delegates get its headers (`_tornado_arrival`). Any other has
one of ours in front for each request, which nobody but Tornado's `HTTP1Connection` sees.
"""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.integrations._tornado_arrival import PACKED, arrival
from monagent.integrations._tornado_server import OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def serving(original: Any) -> Any:
    """Wrapper of `HTTP1ServerConnection.start_serving`: a client has connected."""
    base = sys.modules["tornado.httputil"].HTTPServerConnectionDelegate
    serves = type("Served", (Served, base), {})
    arrive = arrival()

    def start_serving(self: Any, delegate: Any) -> None:
        try:
            if not goes_through_tornado(delegate):
                delegate = serves(delegate, arrive)
        except BaseException as error:
            http.failed(error)
        original(self, delegate)

    return start_serving


def goes_through_tornado(server: Any) -> bool:
    """Whether Tornado's own delegates get the server's requests; or they are not its server's."""
    module = sys.modules.get("tornado.httpserver")
    if module is None or not isinstance(server, module.HTTPServer):
        return True
    if type(server).start_request is not module.HTTPServer.start_request:
        return False
    routing = sys.modules.get("tornado.routing")
    begins = getattr(type(server.request_callback), "start_request", None)
    return begins is None or (routing is not None and begins is routing.Router.start_request)


_AHEAD = "ahead"


class Served:
    """In front of a server, for one connection."""

    def __init__(self, server: Any, arrive: Callable[[Any, Any, Any], None]) -> None:
        self.server = server
        self.arrive = arrive

    def start_request(self, server_conn: Any, request_conn: Any) -> Any:
        delegate = self.server.start_request(server_conn, request_conn)
        try:
            if type(delegate) is sys.modules["tornado.httpserver"]._ProxyAdapter:
                # It sets the scheme that the proxy says, and then asks whom it has inside.
                delegate.delegate = Seen(delegate.delegate, request_conn, self.arrive)
            else:
                delegate = Seen(delegate, request_conn, self.arrive)
        except BaseException as error:
            http.failed(error)
        return delegate

    def on_close(self, server_conn: Any) -> None:
        self.server.on_close(server_conn)


class Seen:
    """In front of an `HTTPMessageDelegate`, for one request."""

    def __init__(self, delegate: Any, connection: Any, arrive: Any) -> None:
        self.delegate = delegate
        self.connection = connection
        self.arrive = arrive

    def headers_received(self, start_line: Any, headers: Any) -> Any:
        try:
            # One of Tornado's own that is behind does not count the body again.
            setattr(self.connection, PACKED, _AHEAD)
            self.arrive(self.connection, start_line, headers)
        except BaseException as error:
            http.failed(error)
        return self.delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        try:
            exchange = getattr(self.connection, OWN, None)
            if exchange is not None and getattr(self.connection, PACKED) is _AHEAD:
                exchange.received += len(chunk)
        except BaseException as error:
            http.failed(error)
        return self.delegate.data_received(chunk)

    def finish(self) -> None:
        self.delegate.finish()

    def on_connection_close(self) -> None:
        self.delegate.on_connection_close()
