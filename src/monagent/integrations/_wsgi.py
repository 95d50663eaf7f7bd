"""WSGI: one request, measured around any application, to the end of its response's iterable.

What the application returns stays what servers look for: a list keeps its length (from which they
infer Content-Length), a file wrapper stays the very object (they hand it to sendfile), anything
else is handed through item by item and closed once.
"""

from __future__ import annotations

from time import perf_counter

from monagent.conventions import http
from monagent.conventions._exchange import KEY, Exchange, arrived
from monagent.conventions.http import UNMATCHED
from monagent.conventions.realtime import EventStream
from monagent.integrations import _wsgi_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from monagent.conventions._exchange import Arrival

    Environ = dict[str, Any]
    App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
    Excluded = Callable[[str, str, str], bool]

_codes: dict[str, int] = {}


def measured(app: App) -> App:
    """An application that does what `app` does, and is recorded."""
    if http.left_alone(app):
        return app
    bound: App = measured_method(_call).__get__(app)
    return bound


def measured_method(original: Any) -> Any:
    """A `__call__(self, environ, start_response)` that is recorded."""
    arrivals = http.arrivals
    body_of = _wsgi_body.around
    excluded = http.excluder()
    some_off = http.some_off()

    # Every request passes here: written out, with an eye on each instruction of Python's.
    def __call__(self: Any, environ: Environ, start_response: Any) -> Any:
        arrival = request = None
        try:
            if KEY not in environ:
                arrival = arrivals[environ["wsgi.url_scheme"]][environ["REQUEST_METHOD"]]
        except KeyError:
            try:
                arrival = not_met(environ)
            except BaseException as error:
                http.failed(error)
        except BaseException as error:
            http.failed(error)
        if arrival is None:
            return original(self, environ, start_response)
        try:
            if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
                queued(environ)
            # As Exchange.__init__ does.
            request = environ[KEY] = Request()
            request.arrival = arrival
            request.start_response = start_response
            request.prefix = ""
            request.route = UNMATCHED
            request.plain = True
            request.recorded = False
            request.status = request.received = request.sent = 0
            request.first = request.end = 0.0
            if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
                with_body(request, environ)
            add = request.active = arrival.add
            add(1.0)
            request.start = perf_counter()
        except BaseException as error:
            request = None
            http.failed(error)
        if request is None:
            return original(self, environ, start_response)
        try:
            body = original(self, environ, request.starting_response)
        except BaseException as error:
            try:
                broke(request, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            return body_of(body, request, environ)
        except BaseException as error:
            http.failed(error)
            return body

    return choosing(__call__, excluded, some_off) if excluded or some_off else __call__


def choosing(call: Any, excluded: Excluded | None, some_off: bool) -> Any:
    """A `__call__` in front of `call` that leaves out what settings leave out."""

    def __call__(self: Any, environ: Environ, start_response: Any) -> Any:
        try:
            if KEY not in environ and (
                (some_off and http.left_alone(self))
                or (excluded is not None and left_out(excluded, environ))
            ):
                environ[KEY] = Exchange()
        except BaseException as error:
            http.failed(error)
        return call(self, environ, start_response)

    return __call__


class Request(Exchange):
    """A request over WSGI: stands between the application and the server's `start_response`."""

    __slots__ = ("start_response", "write")
    __init__ = object.__init__  # whoever makes it fills it
    start_response: Any
    write: Any

    def starting_response(self, status: str, headers: Any, *exc_info: Any) -> Any:
        """The application's `start_response`."""
        try:
            started(self, status, headers)
        except BaseException as error:
            http.failed(error)
        if exc_info:
            self.write = self.start_response(status, headers, *exc_info)
        else:
            self.write = self.start_response(status, headers)
        return self.writing

    def writing(self, data: bytes) -> Any:
        """The application's `write`."""
        try:
            self.wrote(len(data))
        except BaseException as error:
            http.failed(error)
        return self.write(data)


def _call(app: App, environ: Environ, start_response: Any) -> Iterable[bytes]:
    return app(environ, start_response)


def left_out(excluded: Excluded, environ: Environ) -> bool:
    """Whether the request is excluded by its URL."""
    get = environ.get
    path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
    host = get("HTTP_HOST") or get("SERVER_NAME", "")
    return excluded(get("wsgi.url_scheme", "http"), host, path)


def queued(environ: Environ) -> None:
    """Record how long the request has waited, by the first stamp of a proxy."""
    http.queued(environ.get("HTTP_X_REQUEST_START") or environ["HTTP_X_QUEUE_START"])


def with_body(exchange: Exchange, environ: Environ) -> None:
    """The request has a body: of a declared length, or counted as it is read."""
    length = environ.get("CONTENT_LENGTH")
    if length and length.isdigit():
        exchange.received = int(length)
    elif environ.get("HTTP_TRANSFER_ENCODING") and environ.get("wsgi.input") is not None:
        environ["wsgi.input"] = _wsgi_body.CountedInput(environ["wsgi.input"], exchange)


def started(request: Request, status: str, headers: Any) -> None:
    """The application has said status and headers, or says others after an exception."""
    try:
        request.status = _codes[status]
    except KeyError:
        request.status = code_of(status)
    for name, value in headers:
        if name == "Content-Type" or name.lower() == "content-type":
            if value.startswith("text/event-stream") and request.stream is None:
                request.inactive()
                request.stream = EventStream(request.route, request.start)
            break


def code_of(status: str) -> int:
    """200 of "200 OK"."""
    code = int(status[:3])
    if len(_codes) < 1000:
        _codes[status] = code
    return code


def not_met(environ: Environ) -> Arrival | None:
    """What requests of a method and scheme that are not known yet share."""
    if KEY in environ or http.broken:
        return None
    return arrived(environ.get("REQUEST_METHOD", ""), environ.get("wsgi.url_scheme", "http"))


def broke(exchange: Exchange, error: BaseException) -> None:
    """The application has raised; unless it has written already, the server answers 500."""
    if not exchange.first:
        exchange.status = 500
    exchange.over(error)
