"""WSGI: one request, measured around any application, to the end of its response's iterable.

What the application returns stays what servers look for: a list keeps its length (from which they
infer Content-Length), a file wrapper stays the very object (they hand it to sendfile), anything
else is handed through item by item and closed once.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions.realtime import EventStream
from monagent.integrations import _wsgi_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Environ = dict[str, Any]
    App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
    Excluded = Callable[[str, str, str], bool]


def measured(app: App) -> App:
    """An application that does what `app` does, and is recorded."""
    if http.left_alone(app):
        return app
    bound: App = measured_method(_call).__get__(app)
    return bound


def measured_method(original: Any) -> Any:
    """A `__call__(self, environ, start_response)` that is recorded."""
    excluded = http.excluder()
    some_off = http.some_off()
    body_of = _wsgi_body.around

    def __call__(self: Any, environ: Environ, start_response: Any) -> Any:
        exchange = None
        try:
            if KEY in environ or http.broken:
                pass
            elif (some_off and http.left_alone(self)) or (excluded and left_out(excluded, environ)):
                environ[KEY] = Exchange()
            else:
                if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
                    queued(environ)
                exchange = environ[KEY] = Exchange()
                if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
                    with_body(exchange, environ)
                scheme = environ.get("wsgi.url_scheme", "http")
                exchange.begin(environ.get("REQUEST_METHOD", ""), scheme)
        except BaseException as error:
            exchange = None
            http.failed(error)
        if exchange is None:
            return original(self, environ, start_response)

        def starting(*args: Any) -> Any:  # PEP 3333: positional only
            try:
                started(exchange, *args)
            except BaseException as error:
                http.failed(error)
            write = start_response(*args)

            def counting_write(data: bytes) -> Any:
                try:
                    exchange.wrote(len(data))
                except BaseException as error:
                    http.failed(error)
                return write(data)

            return counting_write

        try:
            body = original(self, environ, starting)
        except BaseException as error:
            try:
                broke(exchange, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            return body_of(body, exchange, environ)
        except BaseException as error:
            http.failed(error)
            return body

    return __call__


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


def started(exchange: Exchange, status: str, headers: Any, _exc_info: Any = None) -> None:
    """The application has said status and headers, or says others after an exception."""
    exchange.status = int(status[:3])
    for name, value in headers:
        if name == "Content-Type" or name.lower() == "content-type":
            if value.startswith("text/event-stream") and exchange.stream is None:
                exchange.inactive()
                exchange.stream = EventStream(exchange.route, exchange.start)
            break


def broke(exchange: Exchange, error: BaseException) -> None:
    """The application has raised; unless it has written already, the server answers 500."""
    if not exchange.first:
        exchange.status = 500
    exchange.over(error)
