"""The beginning of a request of Tornado's server: its headers, its body, and who else gets it."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY, Exchange
from monagent.integrations._tornado_server import OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PACKED = "_monagent_packed"
"""Under this name hangs on the connection object that its request's body is counted as it comes
from there, before Tornado's own delegates have it: packed, or by one in front of them."""


def arriving(original: Any) -> Any:
    """Wrapper of `_RoutingDelegate.headers_received`, behind what applies a proxy's scheme."""
    arrive = arrival()

    def headers_received(self: Any, start_line: Any, headers: Any) -> Any:
        try:
            arrive(self.request_conn, start_line, headers)
        except BaseException as error:
            http.failed(error)
        return original(self, start_line, headers)

    return headers_received


def called(original: Any) -> Any:
    """Wrapper of `_CallableAdapter.headers_received`: a function takes the request."""
    arrive = arrival()

    def headers_received(self: Any, start_line: Any, headers: Any) -> Any:
        try:
            arrive(self.connection, start_line, headers)
        except BaseException as error:
            http.failed(error)
        return original(self, start_line, headers)

    return headers_received


def arrival() -> Callable[[Any, Any, Any], None]:
    """What is done once for a request, by the first that gets its headers."""
    excluded = http.excluder()
    some_off = http.some_off()

    def arrive(connection: Any, start_line: Any, headers: Any) -> None:
        if http.broken or getattr(connection, OWN, None) is not None:
            return
        # As attributes: where `__dict__` is asked for, Python makes one, and is slower from there.
        exchange = connection._monagent = connection.stream._monagent = Exchange()
        scheme = connection.context.protocol
        if (some_off and http.left_alone(connection)) or (
            excluded is not None
            and excluded(scheme, headers.get("Host", ""), start_line.path.partition("?")[0])
        ):
            exchange.recorded = True
            return
        # All names in their usual spelling; the public ways take a microsecond each.
        names = headers._as_list
        if "X-Request-Start" in names or "X-Queue-Start" in names:
            http.queued(headers.get("X-Request-Start") or headers["X-Queue-Start"])
        exchange.begin(start_line[0], scheme)

    return arrive


def unpacking(original: Any) -> Any:
    """Wrapper of `_GzipMessageDelegate.data_received`, which clients use as well: a piece of a body
    as it came, of which the others get to see what was in it."""

    async def data_received(self: Any, chunk: bytes) -> Any:
        try:
            if self._decompressor is not None:
                to = self._delegate
                connection = getattr(to, "request_conn", None) or getattr(to, "connection", None)
                exchange = getattr(connection, OWN, None)
                if exchange is not None:
                    setattr(connection, PACKED, True)
                    exchange.received += len(chunk)
        except BaseException as error:
            http.failed(error)
        return await original(self, chunk)

    return data_received


def receiving(original: Any) -> Any:
    """Wrapper of `_RoutingDelegate.data_received`: a piece of the request's body."""

    def data_received(self: Any, chunk: bytes) -> Any:
        try:
            exchange = getattr(self.request_conn, OWN, None)
            if exchange is not None and not hasattr(self.request_conn, PACKED):
                exchange.received += len(chunk)
        except BaseException as error:
            http.failed(error)
        return original(self, chunk)

    return data_received


def received(original: Any) -> Any:
    """Wrapper of `_CallableAdapter.finish`, which has the body of a function's request."""

    def finish(self: Any) -> None:
        try:
            exchange = getattr(self.connection, OWN, None)
            if exchange is not None and not exchange.received:
                # Until 6.5 a list of pieces.
                pieces = self._chunks
                exchange.received = (
                    sum(map(len, pieces)) if isinstance(pieces, list) else len(pieces)
                )
        except BaseException as error:
            http.failed(error)
        original(self)

    return finish


def environ(original: Any) -> Any:
    """Wrapper of `WSGIContainer.environ`, a static method until 6.2."""

    def environ(*args: Any) -> Any:
        built = original(*args)
        try:
            exchange = getattr(args[-1].connection, OWN, None)
            if exchange is not None:
                built[KEY] = exchange  # A WSGI application inside adds its route.
        except BaseException as error:
            http.failed(error)
        return built

    return environ
