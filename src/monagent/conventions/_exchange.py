"""One request of an HTTP server, as all layers that it passes see it.

Whoever measures (the outermost) makes the `Exchange`, every router on the way says its part of
the route, and it records itself once, when its last byte is gone.
"""

from __future__ import annotations

from time import perf_counter

from monagent.conventions.http import (
    ACTIVE,
    CLIENT_CLOSED,
    CLIENT_DISCONNECTED,
    DURATION,
    FIRST_BYTE,
    INCOMPLETE,
    METHODS,
    NO_BODY,
    OTHER,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    UNMATCHED,
    error_type,
)
from monagent.metrics import cache
from monagent.metrics.pulse import due, pulse
from monagent.metrics.recorders import together

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.conventions.realtime import EventStream
    from monagent.metrics.recorders import Recorder

    Labels = tuple[str, str, str, int, str | None]

KEY = "monagent.exchange"
"""Under this key a request's `Exchange` lies in the ASGI scope and in the WSGI environ."""

arrivals: dict[tuple[str, str], tuple[str, str, Recorder]] = cache()
"""Of known methods and schemes, for `arrived`."""

recorders: dict[Labels, Callable[[float, float, float, float], None]] = cache()
"""Of label sets that were met, for `recorder`."""

_MOST_RECORDERS = 20_000


class Exchange:
    """A request on its way through a server.

    `begin`, `sent_all` and `over` are called by whoever measures it, `mounted` and `routed` by the
    routers inside.

    Attributes:
        active: takes the request off the active ones; None once that is done.
        arrival: method and scheme as labels, and what adds to the active requests.
        start, first, end: perf_counter at the arrival, the body's first byte and its last; or 0.
        gone: the client left before the end.
        stream: the response is a stream of events, no answer.
        script: SCRIPT_NAME in front of a WSGI dispatcher, until a route is found.
    """

    prefix = ""
    route = UNMATCHED
    script: str | None = None
    error: str | None = None
    active: Recorder | None = None
    recorded = False
    start = first = end = 0.0
    status = received = sent = 0
    gone = False
    stream: EventStream | None = None

    def begin(self, method: str, scheme: str) -> None:
        """The request has arrived."""
        self.arrival = arrived(method, scheme)
        self.active = self.arrival[2]
        self.active(1.0)
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

        A 5xx waits for `over`, since the exception behind it comes last.
        """
        end = self.end = perf_counter()
        status, active = self.status, self.active
        if active is not None:
            self.active = None
            active(-1.0)
        if self.gone or self.stream is not None:
            self.record()
        elif 0 < status < 500:
            self.recorded = True
            method, scheme, _ = self.arrival
            record = recorder((method, scheme, self.route, status, self.error))
            start, first = self.start, self.first
            seconds = end - start
            record(seconds, self.received, self.sent, first - start if first else seconds)
            if end > due[0]:
                pulse(end)

    def over(self, error: BaseException | None) -> None:
        """The application is through with the request, by an exception or without."""
        if self.recorded:
            return
        if error is not None:
            self.error = error_type(error)
        if not self.end:
            self.end = perf_counter()
            self.error = self.error or INCOMPLETE
        self.inactive()
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
        self.recorded = True
        status, error, end = self.status, self.error, self.end
        method, scheme, _ = self.arrival
        if self.gone:
            status, error = status or CLIENT_CLOSED, CLIENT_DISCONNECTED
        elif status >= 500 or not status:
            status = status or 500
            error = error or str(status)
        if self.stream is not None:
            self.stream.ended(error)
            return
        record = recorder((method, scheme, self.route, status, error))
        seconds = end - self.start
        record(
            seconds, self.received, self.sent, self.first - self.start if self.first else seconds
        )
        if end > due[0]:
            pulse(end)


def arrived(method: str, scheme: str) -> tuple[str, str, Recorder]:
    """Method and scheme as labels, and what adds to the active requests of these."""
    try:
        return arrivals[method, scheme]
    except KeyError:
        return _arrival(method, scheme)


def recorder(labels: Labels) -> Callable[[float, float, float, float], None]:
    """What records a request: seconds, bytes received and sent, seconds to the first byte.

    The last is the first value itself, the same object, where the body came in one piece.
    """
    try:
        return recorders[labels]
    except KeyError:
        return _bind(labels)


def _arrival(method: str, scheme: str) -> tuple[str, str, Recorder]:
    if method not in METHODS:
        method = OTHER
    if scheme not in ("http", "https"):
        scheme = OTHER
    key = (method, scheme)
    if key not in arrivals:
        arrivals[key] = (method, scheme, ACTIVE.bind(method, scheme))
    return arrivals[key]


def _bind(labels: Labels) -> Callable[[float, float, float, float], None]:
    record = together(
        DURATION.bind(*labels),
        REQUEST_SIZE.bind(*labels),
        RESPONSE_SIZE.bind(*labels),
        FIRST_BYTE.bind(*labels),
    )
    if labels[0] == "HEAD" or labels[3] in NO_BODY:
        record = _without_body(record)
    if len(recorders) < _MOST_RECORDERS:
        recorders[labels] = record
    return record


def _without_body(
    record: Callable[[float, float, float, float], None],
) -> Callable[[float, float, float, float], None]:
    """Servers drop the body that an application gives for such a request."""

    def record_empty(seconds: float, received: float, _: float, first: float) -> None:
        record(seconds, received, 0, first)

    return record_empty
