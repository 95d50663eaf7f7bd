"""HTTP: the numbers of a server, and what client and server have in common.

One `Exchange` is one request as all layers of a server see it: whoever measures (the outermost)
makes it, every router that the request passes says its part of the route, and it records itself
once, when its last byte is gone. https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
"""

from __future__ import annotations

from time import perf_counter, time

from monagent import guard, settings
from monagent.metrics import Histogram, UpDownCounter, cache
from monagent.metrics.pulse import due, pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.conventions.realtime import EventStream

EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0)
"""Seconds. The convention's, with 0.2 and 2, at which alerts stand."""

SIZES = (1e3, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6, 5e6, 1e7, 5e7, 1e8)
"""Bytes."""

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
FRAMEWORKS = frozenset(("aiohttp", "django", "fastapi", "flask", "starlette", "tornado"))
"""Switching one of these off leaves its applications alone under every server."""

OTHER = "_OTHER"
UNMATCHED = "unmatched"
"""The route of every request that no route took."""

CLIENT_DISCONNECTED = "client_disconnected"
INCOMPLETE = "incomplete_response"
CLIENT_CLOSED = 499
"""Status of a request whose client left before there was one; nginx's number for it."""

KEY = "monagent.exchange"
"""Under this key a request's `Exchange` lies in the ASGI scope and in the WSGI environ."""

_LABELS = (
    "http.request.method",
    "url.scheme",
    "http.route",
    "http.response.status_code",
    "error.type",
)

DURATION = Histogram(
    "http.server.request.duration",
    unit="s",
    help="Time from a request's arrival to the last byte of its response.",
    labels=_LABELS,
    buckets=EDGES,
)
ACTIVE = UpDownCounter(
    "http.server.active_requests",
    unit="{request}",
    help="Requests being answered now.",
    labels=("http.request.method", "url.scheme"),
)
REQUEST_SIZE = Histogram(
    "http.server.request.body.size",
    unit="By",
    help="Size of request bodies as received.",
    labels=_LABELS,
    buckets=SIZES,
)
RESPONSE_SIZE = Histogram(
    "http.server.response.body.size",
    unit="By",
    help="Size of response bodies as sent.",
    labels=_LABELS,
    buckets=SIZES,
)
FIRST_BYTE = Histogram(
    "http.server.time_to_first_byte",
    unit="s",
    help="Time from a request's arrival to the first byte of its response's body.",
    labels=_LABELS,
    buckets=EDGES,
)
QUEUE = Histogram(
    "http.server.request.queue.duration",
    unit="s",
    help="Time a request waited in front of the server, by the proxy's X-Request-Start header.",
    buckets=EDGES,
)

_recorders: dict[tuple[str, str, str | None, int, str | None], tuple[Any, Any, Any, Any]] = cache()
_adders: dict[tuple[str, str], Any] = cache()
_MOST_RECORDERS = 20_000


class Exchange:
    """A request on its way through a server.

    `begin` and one of `sent_all`, `broke` and `left` are called by whoever measures it, `mounted`
    and `routed` by the routers inside. Attributes are class defaults as long as they can.
    """

    prefix = ""
    route: str | None = None
    status = 0
    received = 0
    sent = 0
    first = 0.0  # perf_counter at the body's first byte
    end = 0.0  # perf_counter at the last byte
    error: str | None = None
    gone = False  # the client left before the end
    recorded = False
    active: Any = None
    script: str | None = None  # SCRIPT_NAME in front of a dispatcher, until a route is found
    trailers = False  # the body is not the response's end
    stream: EventStream | None = None  # it has become a stream of events

    def begin(self, method: str, scheme: str) -> None:
        """The request has arrived."""
        self.method = method = method if method in METHODS else OTHER
        self.scheme = scheme = scheme if scheme == "http" or scheme == "https" else OTHER
        try:
            active = _adders[method, scheme]
        except KeyError:
            active = _adders[method, scheme] = ACTIVE.bind(method, scheme)
        active(1.0)
        self.active = active
        self.start = perf_counter()

    def mounted(self, prefix: str) -> None:
        """A router hands the request on to what is mounted at `prefix`."""
        self.prefix += prefix
        self.route = self.prefix or "/"

    def routed(self, template: str) -> None:
        """A router has found the route; the innermost one's counts."""
        self.route = self.prefix + template

    def wrote(self, size: int) -> None:
        """Bytes of the body have gone to the server."""
        self.sent += size
        if not self.first:
            self.first = perf_counter()

    def sent_all(self) -> None:
        """The last byte is gone; what the application does from here on is its own time.

        A 5xx waits for `broke` or `left`, since the exception behind it comes last.
        """
        self.end = perf_counter()
        self.inactive()
        if self.status < 500 or self.gone:
            self.record()

    def broke(self, error: BaseException) -> None:
        """The application has raised."""
        if not self.gone:
            self.error = error_type(error)
        self.left()

    def left(self) -> None:
        """The application is through with the request, however it ended."""
        if self.recorded:
            return
        if not self.end:
            self.end = perf_counter()
            self.inactive()
            if not self.gone and not self.error:
                self.error = INCOMPLETE
        self.record()

    def inactive(self) -> None:
        """It is no longer among the active requests, once."""
        active = self.active
        if active is not None:
            self.active = None
            active(-1.0)

    def disown(self) -> None:
        """Somebody else counts this request."""
        self.inactive()
        self.recorded = True

    def record(self) -> None:
        """Add it to the numbers."""
        if self.recorded:
            return
        self.recorded = True
        status, error = self.status, self.error
        if self.gone:
            status, error = status or CLIENT_CLOSED, CLIENT_DISCONNECTED
        elif not status:
            status = 500
        if self.stream is not None:
            self.stream.ended(error)
            return
        if error is None and status >= 500:
            error = str(status)
        sent = self.sent
        if self.method == "HEAD" or status == 304 or status == 204:
            sent = 0  # Servers drop what the application gives.
        finished(
            (self.method, self.scheme, self.route or UNMATCHED, status, error),
            self.end - self.start,
            self.received,
            sent,
            self.first - self.start if self.first else None,
        )
        if self.end > due[0]:
            pulse(self.end)


def finished(
    labels: tuple[str, str, str | None, int, str | None],
    seconds: float,
    received: int,
    sent: int,
    first: float | None,
) -> None:
    """Record one request; `labels` as in `_LABELS`, sizes in bytes, `first` in seconds."""
    try:
        duration, request, response, to_first = _recorders[labels]
    except KeyError:
        duration, request, response, to_first = _bind(labels)
    duration(seconds)
    request(received)
    response(sent)
    if first is not None:
        to_first(first)


def error_type(error: BaseException) -> str:
    """`ValueError`, `package.module.Error`."""
    found = type(error)
    module = found.__module__
    return found.__qualname__ if module == "builtins" else f"{module}.{found.__qualname__}"


def queued(header: str) -> None:
    """Record the time since a proxy's stamp: `t=1700000000.123`, or that in ms, µs or ns."""
    try:
        stamp = float(header.strip().removeprefix("t="))
    except ValueError:
        return
    now = time()
    while stamp > now * 100:  # the next smaller unit
        stamp /= 1000
    # The header comes from outside: what claims to have waited for an hour is no measurement.
    if stamp > now - 3600:
        QUEUE.bind()(max(0.0, now - stamp))


def excluder() -> Callable[[str, str, str], bool] | None:
    """Whether a request (scheme, host, path) is to be left out; None: none is."""
    patterns = settings.current().excluded_urls
    if not patterns:
        return None
    import re  # Only who excludes pays for it.

    search = re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).search

    def excluded(scheme: str, host: str, path: str) -> bool:
        return bool(search(path) or search(f"{scheme}://{host}{path}"))

    return excluded


def some_off() -> bool:
    """Whether any library or family is switched off at all."""
    found = settings.current()
    return bool(found.disable or found.enable_only or "off" in found.modes.values())


def left_alone(app: object) -> bool:
    """Whether nobody is to measure this application: its framework is off, or the whole family."""
    found = settings.current()
    names = {base.__module__.partition(".")[0] for base in type(app).__mro__} & FRAMEWORKS
    return any(found.library(name) == "off" for name in names | {"http"})


def failed(error: BaseException) -> None:
    """Something of ours broke while a request was measured; the request goes on."""
    guard.failed("http", error)


def _bind(labels: tuple[str, str, str | None, int, str | None]) -> tuple[Any, Any, Any, Any]:
    bound = (
        DURATION.bind(*labels),
        REQUEST_SIZE.bind(*labels),
        RESPONSE_SIZE.bind(*labels),
        FIRST_BYTE.bind(*labels),
    )
    if len(_recorders) < _MOST_RECORDERS:
        _recorders[labels] = bound
    return bound
