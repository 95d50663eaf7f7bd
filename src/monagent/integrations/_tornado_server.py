"""Requests of Tornado's server, measured on the connection object that it makes for each.

The end is where the last byte has left Tornado's buffers. A connection that goes down before is the
client's doing, unless Tornado itself has closed it because something failed.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.conventions._exchange import Exchange
from monagent.conventions.http import error_type
from monagent.conventions.realtime import EventStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OWN = "_monagent"
"""Under this name the `Exchange` hangs on the connection object, and the last one on its stream."""

UPGRADED = 101


def raising(original: Any) -> Any:
    """Wrapper of `RequestHandler._handle_request_exception`: a handler has raised."""
    web = sys.modules["tornado.web"]
    spoken = (web.HTTPError, web.Finish)

    def _handle_request_exception(self: Any, e: BaseException) -> None:
        try:
            connection = self.request.connection
            exchange = getattr(connection, OWN, None)
            if exchange is not None and not exchange.recorded and not isinstance(e, spoken):
                broke(exchange, e, connection)
        except BaseException as error:
            http.failed(error)
        original(self, e)

    return _handle_request_exception


def heading(original: Any) -> Any:
    """Wrapper of `HTTP1Connection.write_headers`, which clients use as well."""

    def write_headers(self: Any, start_line: Any, headers: Any, chunk: Any = None) -> Any:
        exchange = None
        try:
            exchange = getattr(self, OWN, None)
            if exchange is not None:
                if self.stream.closed():
                    exchange.gone = True
                else:
                    exchange.status = start_line[1]
                    kind = headers._as_list.get("Content-Type")
                    if kind is not None and str(kind[0]).startswith("text/event-stream"):
                        streams(exchange)
        except BaseException as error:
            http.failed(error)
        written = original(self, start_line, headers, chunk)
        if exchange is not None and chunk:
            try:
                exchange.sent = len(chunk)
                exchange.first = perf_counter()
                if exchange.stream is not None:
                    exchange.stream.sent(chunk)
            except BaseException as error:
                http.failed(error)
        return written

    return write_headers


def writing(original: Any) -> Any:
    """Wrapper of `HTTP1Connection.write`, which clients use as well."""

    def write(self: Any, chunk: Any) -> Any:
        written = original(self, chunk)
        try:
            exchange = getattr(self, OWN, None)
            if exchange is not None and chunk and not self.stream.closed():
                size = len(chunk) if exchange.status else headed(exchange, bytes(chunk))
                if size:
                    exchange.wrote(size)
                if exchange.stream is not None:
                    exchange.stream.sent(bytes(chunk))
        except BaseException as error:
            http.failed(error)
        return written

    return write


def finishing(original: Any) -> Any:
    """Wrapper of `HTTP1Connection._finish_request`: nothing is left to be written."""

    def _finish_request(self: Any, future: Any) -> None:
        try:
            exchange = getattr(self, OWN, None)
            if exchange is not None and not exchange.recorded:
                if exchange.status == UPGRADED:
                    exchange.disown()
                else:
                    stream = self.stream
                    if stream is not None and stream.closed() and cut_short(self, future):
                        exchange.gone = exchange.failure() is None
                    exchange.sent_all()
                    if not exchange.recorded:
                        exchange.over(None)
        except BaseException as error:
            http.failed(error)
        original(self, future)

    return _finish_request


def detaching(original: Any) -> Any:
    """Wrapper of `HTTP1Connection.detach`: from here on it is no HTTP."""

    def detach(self: Any) -> Any:
        try:
            exchange = getattr(self, OWN, None)
            if exchange is not None and not exchange.recorded:
                if exchange.status and exchange.status != UPGRADED:
                    exchange.sent_all()
                else:
                    exchange.disown()
        except BaseException as error:
            http.failed(error)
        return original(self)

    return detach


def closing(original: Any) -> Any:
    """Wrapper of `HTTP1Connection.close`, which Tornado calls when it cannot go on."""

    def close(self: Any) -> None:
        try:
            exchange = getattr(self, OWN, None)
            if exchange is not None and not exchange.recorded:
                refused(exchange, sys.exc_info()[1])
        except BaseException as error:
            http.failed(error)
        original(self)

    return close


def closed(original: Any) -> Any:
    """Wrapper of `HTTPServer.on_close`: the connection has ended, for whatever reason."""

    def on_close(self: Any, server_conn: Any) -> None:
        try:
            exchange = getattr(server_conn.stream, OWN, None)
            if exchange is not None and not exchange.recorded:
                exchange.gone = exchange.failure() is None
                exchange.over(None)
        except BaseException as error:
            http.failed(error)
        original(self, server_conn)

    return on_close


def headed(exchange: Exchange, chunk: bytes) -> int:
    """The length of what is behind a head that the application has written by itself, of which the
    status is taken."""
    if not chunk.startswith(b"HTTP/1."):
        return len(chunk)
    line = chunk.partition(b"\r\n")[0].split(None, 2)
    status = int(line[1]) if len(line) > 1 and line[1].isdigit() and len(line[1]) == 3 else 0
    if status >= 200 or status == UPGRADED:  # behind a 100 comes another
        exchange.status = status
    return len(chunk.partition(b"\r\n\r\n")[2])


def cut_short(connection: Any, written: Any) -> bool:
    """Whether a connection was closed before all was written."""
    missing = connection._expected_content_remaining != 0
    return missing or (written is not None and written.exception() is not None)


def streams(exchange: Exchange) -> None:
    """The response is a stream of events: no longer a request that is being answered."""
    exchange.inactive()
    exchange.stream = EventStream(exchange.route, exchange.start)


def broke(exchange: Exchange, error: BaseException, connection: Any) -> None:
    """A handler has raised; or it has learnt so that its client is gone."""
    closed = sys.modules["tornado.iostream"].StreamClosedError
    if isinstance(error, closed) and connection.stream.closed():
        exchange.gone = True
    elif exchange.status:
        exchange.error = error_type(error)
    else:
        exchange.caught = error_type(error)


def refused(exchange: Exchange, error: BaseException | None) -> None:
    """Tornado gives up a request: one that is no HTTP gets a 400, what else failed no answer."""
    name = type(error).__name__
    if name == "HTTPInputError":
        exchange.status = exchange.status or 400
        exchange.sent_all()
    else:
        exchange.over(error.__context__ if error and name == "_QuietException" else error)
