"""One request of an HTTP server, as all layers that it passes see it.

Whoever measures (the outermost) makes the `Exchange`, every router on the way says its part of
the route, and it records itself once, when its last byte is gone.
"""

from __future__ import annotations

from bisect import bisect_left
from time import perf_counter

from monagent.conventions import http
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
from monagent.metrics.pulse import due, pulse
from monagent.metrics.recorders import cells_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.conventions.realtime import EventStream
    from monagent.metrics.recorders import Recorder

    Ender = Callable[["Exchange", float], None]

KEY = "monagent.exchange"
"""Under this key a request's `Exchange` lies in the ASGI scope and in the WSGI environ."""

_MOST_ENDERS = 20_000


class Arrival:
    """What requests of one method and scheme have in common.

    Attributes:
        method, scheme: as labels.
        add: adds to the active requests.
        enders: of plain answers, by status and route: see `_ender`.
        others: of all others, by route, status and error.
    """

    __slots__ = ("add", "enders", "method", "others", "scheme")

    def __init__(self, method: str, scheme: str) -> None:
        self.method = method
        self.scheme = scheme
        self.add: Recorder = ACTIVE.bind(method, scheme)
        self.enders: dict[int, dict[object, Ender]] = {}
        self.others: dict[object, Ender] = {}


class Rare:
    """An attribute that few requests ever set: those are no longer `plain`."""

    def __init__(self, default: Any) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return instance.__dict__.get(self.name, self.default)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value
        instance.plain = False


class Exchange:
    """A request on its way through a server.

    `begin`, `sent_all` and `over` are called by whoever measures it, `mounted` and `routed` by the
    routers inside.

    Attributes:
        arrival: method and scheme, and what such requests share.
        active: takes the request off the active ones; None once that is done.
        start, first, end: perf_counter at the arrival, the body's first byte and its last; or 0.
        plain: as far as is known there is no more to say of it than its numbers.
        gone: the client left before the end.
        stream: the response is a stream of events, no answer.
        error: its `error.type`.
        script: SCRIPT_NAME in front of a WSGI dispatcher, until a route is found.
    """

    __slots__ = (
        "__dict__",
        "active",
        "arrival",
        "end",
        "first",
        "plain",
        "prefix",
        "received",
        "recorded",
        "route",
        "script",
        "sent",
        "start",
        "status",
    )
    arrival: Arrival
    gone: bool = Rare(False)  # type: ignore[assignment]  # what it holds
    stream: EventStream | None = Rare(None)  # type: ignore[assignment]
    error: str | None = Rare(None)  # type: ignore[assignment]

    # `_asgi` and `_wsgi` write this out, since a call costs more than all of it.
    def __init__(self) -> None:
        self.prefix = ""
        self.route = UNMATCHED
        self.active: Recorder | None = None
        self.script: str | None = None
        self.plain = True
        self.recorded = False
        self.start = self.first = self.end = 0.0
        self.status = self.received = self.sent = 0

    def begin(self, method: str, scheme: str) -> None:
        """The request has arrived."""
        self.arrival = arrived(method, scheme)
        self.active = self.arrival.add
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
        if self.plain:
            try:
                end = self.arrival.enders[self.status][self.route]
            except KeyError:
                pass
            else:
                end(self, 1.0)
                return
        if self.end:
            return
        self.end = perf_counter()
        self.inactive()
        if self.gone or self.stream is not None or 0 < self.status < 500:
            self.record()

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
        self.plain = False
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
        status, error = self.status, self.error
        if self.gone:
            status, error = status or CLIENT_CLOSED, CLIENT_DISCONNECTED
        elif status >= 500 or not status:
            status = status or 500
            error = error or str(status)
        if self.stream is not None:
            self.stream.ended(error)
            return
        _ender(self.arrival, self.route, status, error)(self, 0.0)


def arrived(method: str, scheme: str) -> Arrival:
    """What requests of this method and scheme share."""
    if method not in METHODS:
        method = OTHER
    if scheme not in ("http", "https"):
        scheme = OTHER
    found: Arrival | None = http.arrivals.get(scheme, {}).get(method)
    if found is None:
        found = Arrival(method, scheme)
        if not http.broken:
            http.arrivals.setdefault(scheme, {})[method] = found
    return found


def _ender(arrival: Arrival, route: str, status: int, error: str | None) -> Ender:
    """What ends a request of these labels: records all that it knows of itself, its end if it has
    none yet, and takes it off the active ones (1.0) unless it is off already (0.0).
    """
    kept = arrival.enders.setdefault(status, {}) if error is None else arrival.others
    key: object = route if error is None else (route, status, error)
    found: Ender | None = kept.get(key)
    if found is not None:
        return found
    labels = (arrival.method, arrival.scheme, route, status, error)
    recorders = (
        arrival.add,
        DURATION.bind(*labels),
        FIRST_BYTE.bind(*labels),
        REQUEST_SIZE.bind(*labels),
        RESPONSE_SIZE.bind(*labels),
    )
    places = [cells_of(recorder) for recorder in recorders]
    end = _apart(*recorders) if None in places else _fused(*places)
    if arrival.method == "HEAD" or status in NO_BODY:
        end = _without_body(end)
    if len(kept) < _MOST_ENDERS:
        kept[key] = end
    return end


def _fused(active: Any, duration: Any, first_byte: Any, request: Any, response: Any) -> Ender:
    """One function for all cells: each call that it saves costs more than an addition."""
    mem, a, _ = active
    _, d, edges = duration
    _, f, f_edges = first_byte
    _, q, q_edges = request
    _, r, r_edges = response
    d1, f1, q1, r1 = d + 1, f + 1, q + 1, r + 1
    fast = edges[0] if edges and edges == f_edges else -1.0
    small = r_edges[0] if r_edges else -1.0

    # Most answers are fast, small and in one piece: they get by without a search. No call stands
    # between mem[0] and the last write, see metrics/recorders.py.
    def end(exchange: Exchange, active: float) -> None:
        exchange.recorded = True
        exchange.active = None
        start, now = exchange.start, exchange.end
        if not now:
            now = exchange.end = perf_counter()
        seconds = to_first = now - start
        if exchange.first:
            to_first = exchange.first - start
        if seconds <= fast:
            bucket, first_bucket = d1, f1
        else:
            bucket = d1 + bisect_left(edges, seconds)
            first_bucket = f1 + bisect_left(f_edges, to_first)
        sent = exchange.sent
        sent_bucket = r1 if sent <= small else r1 + bisect_left(r_edges, sent)
        received = exchange.received
        if received:
            received_bucket = q1 + bisect_left(q_edges, received)
            view = mem[0]
            view[q] += received
            view[received_bucket] += 1.0
        else:
            view = mem[0]
            view[q1] += 1.0
        view[a] -= active
        view[d] += seconds
        view[bucket] += 1.0
        view[f] += to_first
        view[first_bucket] += 1.0
        view[r] += sent
        view[sent_bucket] += 1.0
        if now > due[0]:
            pulse(now)

    return end


def _apart(
    active: Recorder,
    duration: Recorder,
    first_byte: Recorder,
    request: Recorder,
    response: Recorder,
) -> Ender:
    """While a series is still being made."""

    def end(exchange: Exchange, was_active: float) -> None:
        exchange.end = now = exchange.end or perf_counter()
        exchange.recorded = True
        exchange.active = None
        active(-was_active)
        duration(now - exchange.start)
        first_byte((exchange.first or now) - exchange.start)
        request(exchange.received)
        response(exchange.sent)

    return end


def _without_body(end: Ender) -> Ender:
    """Servers drop the body that an application gives for such a request."""

    def end_without_body(exchange: Exchange, active: float) -> None:
        exchange.sent = 0
        end(exchange, active)

    return end_without_body
