"""WSGI: one request, measured around any application, to the end of its response's iterable.

What the application returns stays what servers look for: a list keeps its length (from which they
infer Content-Length), a file wrapper stays the very object (they hand it to sendfile), anything
else is handed through item by item and closed once.
"""

from __future__ import annotations

from monagent import settings
from monagent.conventions import http
from monagent.conventions._arrivals import arrived
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions._plain import Starter, arrived_wsgi, counted, started_with
from monagent.conventions.http import error_type
from monagent.integrations import _mount, _wsgi_body, _wsgi_input
from monagent.integrations._handed_on import held_by, is_a_servers
from monagent.integrations._stand_in import standing_in
from monagent.integrations._wsgi_request import Request, broke

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from monagent.conventions._arrivals import Arrival

    Environ = dict[str, Any]
    App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
    Excluded = Callable[[str, str, str], bool]


def measured(app: App) -> App:
    """An application that does what `app` does, and is recorded."""
    if http.left_alone(app):
        return app
    call = _call
    if settings.current().http_paths == "normalise":
        from monagent.integrations import _by_path  # Only who asks for it pays for it.

        call = _by_path.wsgi if _by_path.bare(app) else _call
    bound: App = measured_method(call).__get__(app)
    return bound


def shown(app: App) -> App:
    """`measured`, where others get to see the application: in gunicorn's hooks, at a server object.
    One that measures itself stays what it is."""
    own = getattr(type(app).__call__, "__globals__", None)
    return app if own is globals() or http.left_alone(app) else standing_in(app, measured(app))


def measured_method(original: Any) -> Any:
    """A `__call__(self, environ, start_response)` that is recorded."""
    arrivals = http.arrivals
    body_of, unsized = _wsgi_body.around, _wsgi_body.unsized
    excluded = http.excluder()
    some_off = http.some_off()
    is_starter = Starter is not object

    # Every request passes here: written out, with an eye on each instruction of Python's.
    def __call__(self: Any, environ: Environ, start_response: Any) -> Any:
        request = None
        try:
            if arrived_wsgi is not None:
                request = arrived_wsgi(Request, arrivals, environ, start_response)
            if request is None:
                request = arriving(environ, start_response)
        except BaseException as error:
            http.failed(error)
        if request is None:
            try:
                return original(self, environ, start_response)
            except Exception as error:
                passed(environ, error)
                raise
        try:
            starts = request if is_starter else request.starting_response
            body = original(self, environ, starts)
        except BaseException as error:
            try:
                broke(request, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            made = None if counted is None else counted(body, request, environ, unsized)
            return body_of(body, request, environ) if made is None else made
        except BaseException as error:
            http.failed(error)
            try:
                request.disown()  # Nobody will see the end of it.
            except BaseException as another:
                http.failed(another)
            return body

    chooses = excluded or some_off or settings.current().mount
    return choosing(__call__, excluded, some_off) if chooses else __call__


def choosing(call: Any, excluded: Excluded | None, some_off: bool) -> Any:
    """A `__call__` in front of `call` that leaves out what settings leave out, and answers what
    is monagent's own."""
    mount = _mount.path()

    def __call__(self: Any, environ: Environ, start_response: Any) -> Any:
        ours = False
        try:
            if KEY in environ and not used(environ):
                pass
            elif mount is not None and mount == path_of(environ):
                ours = environ["REQUEST_METHOD"] in ("GET", "HEAD")
            elif (some_off and http.left_alone(self)) or (
                excluded is not None and left_out(excluded, environ)
            ):
                environ[KEY] = Exchange()
        except BaseException as error:
            http.failed(error)
        if ours:
            return _mount.wsgi(environ, start_response)
        return call(self, environ, start_response)

    return __call__


def _call(app: App, environ: Environ, start_response: Any) -> Iterable[bytes]:
    return app(environ, start_response)


def path_of(environ: Environ) -> str:
    """The whole path of the request."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path


def left_out(excluded: Excluded, environ: Environ) -> bool:
    """Whether the request is excluded by its URL."""
    get = environ.get
    path = path_of(environ)
    host = get("HTTP_HOST") or get("SERVER_NAME", "")
    return excluded(get("wsgi.url_scheme", "http"), host, path)


def queued(environ: Environ) -> None:
    """Record how long the request has waited, by the first stamp of a proxy."""
    http.queued(environ.get("HTTP_X_REQUEST_START") or environ["HTTP_X_QUEUE_START"])


def with_body(request: Request, environ: Environ) -> None:
    """The request has a body: of a short length that it declares, or counted as it is read."""
    length = str(environ.get("CONTENT_LENGTH") or "")  # Some callers give a number.
    # A length that is incredible is no better than none.
    most = int(length) if length.isdecimal() and len(length) < 10 else None
    if most is not None and most <= _wsgi_input.BELIEVED:
        request.received = most
        return
    source = environ.get("wsgi.input")
    if source is not None and (length or environ.get("HTTP_TRANSFER_ENCODING")):
        environ["wsgi.input"] = _wsgi_input.counted_input(source, request, most)


def passed(environ: Environ, error: Exception) -> None:
    """An application inside has raised: somebody in front of it may answer, as Werkzeug's debugger
    does."""
    try:
        exchange = environ.get(KEY)
        if exchange is not None:
            exchange.caught = error_type(error)
    except BaseException as ours:
        http.failed(ours)


def used(environ: Environ) -> bool:
    """Whether the environ is that of a request that has ended, or was pickled: one more comes."""
    exchange = environ[KEY]
    return exchange is None or bool(exchange.recorded and exchange.end)


def goes_on(environ: Environ, start_response: Any) -> bool:
    """Whether the environ is of a request that is measured already, as what is handed on with it
    tells: somebody has made it anew, without what is no key of WSGI's. It has that then."""
    request = getattr(start_response, "__self__", start_response)
    if type(request) is not Request:
        held = (one for one in held_by(start_response) if type(one) is Request)
        request = next((one for one in held if not one.recorded), None)
        if request is None:
            is_a_servers(start_response)
            if started_with is not None:
                started_with(type(getattr(start_response, "__self__", start_response)))
            return False
    environ[KEY] = request
    return True


def arriving(environ: Environ, start_response: Any) -> Request | None:
    """A request that arrives now; None when it is one that is measured already, or none is."""
    if KEY in environ and not used(environ):
        return None
    if goes_on(environ, start_response):
        return None
    arrival: Arrival
    try:
        arrival = http.arrivals[environ["wsgi.url_scheme"]][environ["REQUEST_METHOD"]]
    except KeyError:
        if http.broken:
            return None
        arrival = arrived(environ.get("REQUEST_METHOD", ""), environ.get("wsgi.url_scheme", "http"))
    if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
        queued(environ)
    request = Request()
    request.start_response = start_response
    if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
        with_body(request, environ)
    environ[KEY] = request
    request.arrives(arrival)
    return request
