"""Requests of Sanic's own server, from their headers to the send that ends the response.

Its objects have slots and no room for ours, so the requests in work stand in a table by Sanic's
`Http`, of which each connection has one.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions.http import error_type
from monagent.conventions.realtime import EventStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Excluded = Callable[[str, str, str], bool]

under_way: dict[Any, Exchange] = {}
"""By `Http`. Each has its `request` as an attribute, whose `route` is known later."""

NO_METHOD = "NONE"
"""Of the stand-in for a request whose head could not be read."""

HTTP1 = "sanic.http.http1"


def arriving(original: Any) -> Any:
    """Wrapper of `Request.__init__`; a request under ASGI has been measured from outside."""
    excluded = http.excluder()
    some_off = http.some_off()

    def __init__(
        self: Any, url_bytes: Any, headers: Any, version: Any, method: Any, transport: Any,
        app: Any, *args: Any, **kwargs: Any,
    ) -> None:  # fmt: skip
        original(self, url_bytes, headers, version, method, transport, app, *args, **kwargs)
        try:
            # Tests of programs make requests by hand, without one.
            protocol = transport and getattr(transport.get_protocol(), "_http", None)
            if type(protocol).__module__ == HTTP1 and not http.broken:
                if protocol in under_way:
                    again(protocol, self, method)
                if protocol not in under_way and not (some_off and http.left_alone(app)):
                    begun(protocol, self, method, excluded)
        except BaseException as error:
            http.failed(error)

    return __init__


def begun(protocol: Any, request: Any, method: str, excluded: Excluded | None) -> None:
    """The head of a request has been read."""
    config, headers = request.app.config, request.headers
    # Its attributes are found by a function of Python's, ten times slower.
    if config.get("FORWARDED_SECRET") or config.get("PROXIES_COUNT"):
        scheme = request.scheme  # Parses headers.
    else:
        scheme = "https" if protocol.protocol.conn_info.ssl else "http"
    if excluded is not None and excluded(scheme, headers.get("host", ""), request.path):
        return
    if "x-request-start" in headers or "x-queue-start" in headers:
        http.queued(headers.get("x-request-start") or headers["x-queue-start"])
    exchange = Exchange()
    exchange.request = request  # type: ignore[attr-defined]  # Sanic's alone
    exchange.begin(method, scheme)
    under_way[protocol] = exchange


def again(protocol: Any, request: Any, method: str) -> None:
    """A second request object on a connection whose request is not over: a stand-in for the first,
    unless that one never was answered."""
    exchange = under_way[protocol]
    if method == NO_METHOD:
        exchange.request = request  # type: ignore[attr-defined]  # Sanic's alone
    else:
        del under_way[protocol]
        over(protocol, exchange, None)


def sending(original: Any) -> Any:
    """Wrapper of `BaseHTTPResponse.send`, by which every response goes."""

    async def send(self: Any, data: Any = None, end_stream: Any = None) -> None:
        stream = self.stream
        exchange = under_way.get(stream)
        if exchange is None:
            await original(self, data, end_stream)
            return
        size = 0
        try:
            size = sizes(self, exchange, stream, data)
        except BaseException as error:
            http.failed(error)
        await original(self, data, end_stream)
        try:
            if size:
                exchange.sent += size
                exchange.first = exchange.first or perf_counter()
                if exchange.stream is not None:
                    exchange.stream.sent(encoded(data))
            if stream.stage is sys.modules["sanic.http.constants"].Stage.IDLE:  # it was the last
                under_way.pop(stream, None)
                ended(stream, exchange)
        except BaseException as error:
            http.failed(error)

    return send


def sizes(response: Any, exchange: Exchange, stream: Any, data: Any) -> int:
    """Bytes of the body that a send adds; the first one has the status, and maybe all of it."""
    first = not exchange.status
    if first:
        if lost(stream):
            exchange.gone = True
            return 0
        exchange.status = response.status
        kind = response.headers.get("content-type") or response.content_type
        if kind is not None and kind.startswith("text/event-stream"):
            exchange.inactive()
            exchange.stream = EventStream(route_of(exchange), exchange.start)
    if not data:
        return len(getattr(response, "body", None) or b"") if first else 0
    return len(data) if isinstance(data, bytes) else len(encoded(data))


def encoded(data: Any) -> bytes:
    """As Sanic makes bytes of it."""
    return data.encode() if isinstance(data, str) else bytes(data or b"")


def ended(stream: Any, exchange: Exchange) -> None:
    """The last byte is gone."""
    exchange.route = route_of(exchange)
    exchange.received = (stream.request_bytes or 0) - (stream.request_bytes_left or 0)
    exchange.sent_all()
    if not exchange.recorded:
        exchange.over(None)


def route_of(exchange: Any) -> str:
    """As Sanic spells it, once its router has found it."""
    route: Any = exchange.request.route
    found: str = exchange.route if route is None else "/" + route.path
    return found


def lost(stream: Any) -> bool:
    """Whether the client is gone."""
    protocol = stream.protocol
    transport = protocol.transport
    return protocol.conn_info.lost or transport is None or transport.is_closing()


def serving(original: Any) -> Any:
    """Wrapper of `Http.http1`, which serves a connection to its end."""

    async def http1(self: Any) -> None:
        error: BaseException | None = None
        try:
            await original(self)
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                exchange = under_way.pop(self, None)
                if exchange is not None:
                    over(self, exchange, error)
            except BaseException as ours:
                http.failed(ours)
            error = None  # no circle of frame and traceback

    return http1


def over(stream: Any, exchange: Exchange, error: BaseException | None) -> None:
    """A request was given up before its last byte."""
    exchange.gone = lost(stream)
    exchange.route = route_of(exchange)
    exchange.received = (stream.request_bytes or 0) - (stream.request_bytes_left or 0)
    exchange.over(error)


def raising(original: Any) -> Any:
    """Wrapper of `ErrorHandler.response`: a handler has raised, there is no response yet."""

    def response(self: Any, request: Any, exception: BaseException) -> Any:
        try:
            raised(request, exception, self._lookup(exception, request.name if request else None))
        except BaseException as error:
            http.failed(error)
        return original(self, request, exception)

    return response


def raising_late(original: Any) -> Any:
    """Wrapper of `ErrorHandler._lookup`: what is raised behind the headers comes no further."""

    def _lookup(self: Any, exception: BaseException, route_name: Any = None) -> Any:
        try:
            request = sys.modules["sanic.request.types"].Request._current.get(None)
            stream = getattr(request, "stream", None)
            if stream is not None and stream.stage.name == "RESPONSE":
                raised(request, exception, None)
        except BaseException as error:
            http.failed(error)
        return original(self, exception, route_name)

    return _lookup


def raised(request: Any, error: BaseException, handler: Any) -> None:
    """An exception that no handler of the application makes a response of; Sanic's own have a
    status that says it."""
    exchange = exchange_of(request)
    own = sys.modules["sanic.exceptions"].SanicException
    if exchange is not None and handler is None and not isinstance(error, own):
        if exchange.status:
            exchange.error = error_type(error)
        else:
            exchange.caught = error_type(error)
    if exchange is not None and request.route is None and hasattr(error, "allowed_methods"):
        of_other_methods(exchange, request, error.allowed_methods)


def of_other_methods(exchange: Exchange, request: Any, methods: Any) -> None:
    """The router says at most which methods a path has routes for, not which: so it is asked for
    them, which only a 405 pays for; not where types of parameters are the application's."""
    router, host = request.app.router, request.headers.get("host")
    if router.regex_types != sys.modules["sanic_routing.patterns"].REGEX_TYPES:
        return
    for method in sorted(methods or http.METHODS):
        try:
            found = router.get(request.path, method, host)
        except Exception:  # Not this one.
            continue
        exchange.routed("/" + found[0].path)
        return


def exchange_of(request: Any) -> Exchange | None:
    """The request's numbers, under Sanic's server or under another."""
    found = under_way.get(request.stream) if request is not None else None
    if found is None and request is not None:
        found = getattr(request.transport, "scope", {}).get(KEY)
    return found


def responding(original: Any) -> Any:
    """Wrapper of `ASGIApp.respond`: there will be a response, so the route is known."""

    def respond(self: Any, response: Any) -> Any:
        try:
            exchange, route = self.transport.scope.get(KEY), self.request.route
            if exchange is not None and route is not None:
                exchange.routed("/" + route.path)
        except BaseException as error:
            http.failed(error)
        return original(self, response)

    return respond
