"""WSGI: one request, measured around any application, to the end of its response's iterable.

What the application returns stays what servers look for: a list keeps its length (from which they
infer Content-Length), a file wrapper stays the very object (they hand it to sendfile), anything
else is handed through item by item and closed once.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions.http import KEY, Exchange
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
            if KEY not in environ and not http.broken:
                if some_off and http.left_alone(self):
                    environ[KEY] = Exchange()
                else:
                    exchange = arrived(environ, excluded)
        except BaseException as error:
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


def arrived(environ: Environ, excluded: Excluded | None) -> Exchange | None:
    """Begin a request's exchange. None: it is excluded, and so for all layers inside."""
    exchange = environ[KEY] = Exchange()
    get = environ.get
    scheme = get("wsgi.url_scheme", "http")
    if excluded is not None:
        path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
        if excluded(scheme, get("HTTP_HOST") or get("SERVER_NAME", ""), path):
            return None
    stamp = get("HTTP_X_REQUEST_START") or get("HTTP_X_QUEUE_START")
    if stamp:
        http.queued(stamp)
    length = get("CONTENT_LENGTH")
    if length and length.isdigit():
        exchange.received = int(length)
    elif get("HTTP_TRANSFER_ENCODING") and get("wsgi.input") is not None:
        environ["wsgi.input"] = _wsgi_body.CountedInput(environ["wsgi.input"], exchange)
    exchange.begin(get("REQUEST_METHOD", ""), scheme)
    return exchange


def started(exchange: Exchange, status: str, headers: Any, _exc_info: Any = None) -> None:
    """The application has said status and headers, or says others after an exception."""
    exchange.status = int(status[:3])
    for name, value in headers:
        if name.lower() == "content-type":
            if value.startswith("text/event-stream") and exchange.stream is None:
                exchange.inactive()
                exchange.stream = EventStream(exchange.route, exchange.start)
            break


def broke(exchange: Exchange, error: BaseException) -> None:
    """The application has raised; unless it has written already, the server answers 500."""
    if not exchange.first:
        exchange.status = 500
    exchange.over(error)
