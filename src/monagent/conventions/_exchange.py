"""One request of an HTTP server, as all layers that it passes see it.

Whoever measures (the outermost) makes the `Exchange`, every router on the way says its part of
the route, and it records itself once, when its last byte is gone.
"""

from __future__ import annotations

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions import _plain, http
from monagent.conventions._arrivals import Arrival, arrived, ender
from monagent.conventions.http import (
    CLIENT_CLOSED,
    CLIENT_DISCONNECTED,
    INCOMPLETE,
    UNMATCHED,
    error_type,
)
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions.realtime import EventStream
    from monagent.metrics.recorders import Recorder

if part is not None:
    part.failures_go_to(http.failed, guard.not_ours)

KEY = "monagent.exchange"
"""Under this key a request's `Exchange` lies in the ASGI scope and in the WSGI environ."""


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


class Exchange(_plain.Fields):
    """A request on its way through a server.

    `begin`, `sent_all` and `over` are called by whoever measures it, `mounted`, `leads_on` and
    `routed` by the routers inside.

    Attributes:
        arrival: method and scheme, and what such requests share.
        active: takes the request off the active ones; None once that is done.
        start, first, end: perf_counter at the arrival, the body's first byte and its last; or 0.
        plain: as far as is known there is no more to say of it than its numbers.
        gone: the client left before the end.
        stream: the response is a stream of events, no answer.
        error: its `error.type`, if its answer does not come or breaks.
        caught: that of an exception that somebody makes an answer of, which is an error if it is a
            server's: others may yet make another of it.
    """

    __slots__ = ("__dict__",)
    active: Recorder | None
    arrival: Arrival
    end: float
    first: float
    plain: bool
    prefix: str
    received: int
    recorded: bool
    route: str
    sent: int
    start: float
    status: int
    gone: bool = Rare(False)  # type: ignore[assignment]  # what it holds
    stream: EventStream | None = Rare(None)  # type: ignore[assignment]
    error: str | None = Rare(None)  # type: ignore[assignment]
    caught: str | None = Rare(None)  # type: ignore[assignment]

    # Applications copy the scope or the environ that it lies in (hypercorn's ProxyFixMiddleware
    # does so deeply) and pickle them: a copy is of the same request, a pickle knows nothing of it.
    def __copy__(self) -> Exchange:
        return self

    def __deepcopy__(self, _memo: object) -> Exchange:
        return self

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    def __init__(self) -> None:
        self.prefix = ""
        self.route = UNMATCHED
        self.active = None
        self.plain = True
        self.recorded = False
        self.start = self.first = self.end = 0.0
        self.status = self.received = self.sent = 0

    def begin(self, method: str, scheme: str) -> None:
        """The request has arrived."""
        self.arrives(arrived(method, scheme))

    def arrives(self, arrival: Arrival) -> None:
        """The request has arrived; from here on it is one of the active ones."""
        self.arrival = arrival
        self.active = arrival.add
        mem, at = arrival.cell
        mem[0][at] += 1.0
        self.start = perf_counter()

    def mounted(self, prefix: str) -> None:
        """A router hands the request on to what is mounted at `prefix`."""
        self.prefix += prefix
        self.route = self.prefix or "/"

    def leads_on(self) -> None:
        """An application mounted at the root says the route by itself, or that there is none."""
        if self.route == "/" and not self.prefix:
            self.route = UNMATCHED

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
        if self.end or self.recorded:
            return
        self.end = perf_counter()
        self.inactive()
        if self.gone or self.stream is not None or 0 < self.status < 500:
            self.record()

    def over(self, error: BaseException | None) -> None:
        """The application is through with the request, by an exception or without."""
        if error is not None and self.error is None:
            self.error = error_type(error)
        if self.recorded:
            return
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

    def failure(self) -> str | None:
        """What has made it fail, as far as its answer says that it has."""
        return self.error if 0 < self.status < 500 else self.caught or self.error

    def record(self) -> None:
        """Add it to the numbers."""
        self.recorded = True
        status, error = self.status, self.failure()
        if self.gone:
            status, error = status or CLIENT_CLOSED, CLIENT_DISCONNECTED
        elif status >= 500 or not status:
            status = status or 500
            error = error or str(status)
        if self.stream is not None:
            self.stream.ended(error)
            return
        ender(self.arrival, self.route, status, error)(self, 0.0)
