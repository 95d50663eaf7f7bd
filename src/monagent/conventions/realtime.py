"""Connections that stay open: server-sent events and WebSockets, out of all request latencies."""

from __future__ import annotations

import os

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions.http import UNMATCHED
from monagent.metrics import Counter, Histogram, UpDownCounter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.conventions._peers import Peer

_PEER = ("server.address", "server.port", "peer.service")
"""In place of a route, where this program is the client."""

LIFETIMES = (1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Seconds."""

SSE_ACTIVE = UpDownCounter(
    "sse.connections.active",
    unit="{connection}",
    help="Streams of server-sent events open now.",
    labels=("http.route",),
)
SSE_EVENTS = Counter(
    "sse.events.sent",
    unit="{event}",
    help="Server-sent events handed to clients.",
    labels=("http.route", "event"),
)
SSE_DURATION = Histogram(
    "sse.connection.duration",
    unit="s",
    help="Lifetime of streams of server-sent events.",
    labels=("http.route", "error.type"),
    buckets=LIFETIMES,
)
WS_ACTIVE = UpDownCounter(
    "websocket.connections.active",
    unit="{connection}",
    help="WebSocket connections open now: by route as a server, by peer as a client.",
    labels=("http.route", *_PEER),
)
WS_MESSAGES = Counter(
    "websocket.messages",
    unit="{message}",
    help="Messages over WebSocket connections, received and sent.",
    labels=("http.route", *_PEER, "direction"),
)
WS_DURATION = Histogram(
    "websocket.connection.duration",
    unit="s",
    help="Lifetime of WebSocket connections, by the code they were closed with.",
    labels=("http.route", *_PEER, "websocket.close.code", "error.type"),
    buckets=LIFETIMES,
)

_LONGEST_LINE = 4_096
"""Of a line that is cut the first bytes are kept, which tell its field."""

_forks = [0]
os.register_at_fork(after_in_child=lambda: _forks.__setitem__(0, _forks[0] + 1))


class EventStream:
    """One open stream of server-sent events; of a compressed one no events can be counted."""

    __slots__ = ("_data", "_name", "_return", "_tail", "compressed", "open", "route", "start")

    def __init__(self, route: str | None, start: float, compressed: bool = False) -> None:
        self.route = route or UNMATCHED
        self.compressed = compressed
        self.start = start
        self.open = True
        self._tail = b""  # a line that has not ended
        self._return = False  # The last chunk ended with a carriage return.
        self._data, self._name = False, b""  # of the event that has not ended
        SSE_ACTIVE.bind(self.route)(1)

    def sent(self, chunk: bytes) -> None:
        """Count the events that end in this chunk: blocks of lines with data. Comments, keep-alives
        and blocks that only tell a name, an id or a delay are none.

        https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
        """
        if self.compressed or not chunk:
            return
        if self._return or b"\r" in chunk:
            before, self._return = self._return, chunk.endswith(b"\r")
            if before and chunk.startswith(b"\n"):
                chunk = chunk[1:]  # The line has ended already.
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, tail = (self._tail + chunk).split(b"\n")
        self._tail = tail[:_LONGEST_LINE]
        for line in lines:
            if not line:
                if self._data:
                    name = self._name.decode("utf-8", "replace") or "message"
                    SSE_EVENTS.bind(self.route, name)(1)
                self._data, self._name = False, b""
            elif line.startswith(b"data:") or line == b"data":
                self._data = True
            elif line.startswith(b"event:") or line == b"event":
                self._name = line[6:].strip()

    def ended(self, error: str | None) -> None:
        """The stream is over; once."""
        if not self.open:
            return
        self.open = False
        SSE_ACTIVE.bind(self.route)(-1)
        SSE_DURATION.bind(self.route, error)(perf_counter() - self.start)


class Connection:
    """One WebSocket connection, from its acceptance to its end, or to that of whoever holds this.

    In a forked child the connections of its parent are nobody's.
    """

    __slots__ = ("_forks", "_received", "_sent", "_where", "code", "open", "start")

    def __init__(self, route: str | None, peer: Peer | None = None) -> None:
        where = (None, *peer.labels) if peer else (route or UNMATCHED, None, None, None)
        self._where = where
        self._forks = _forks[0]
        self.start = perf_counter()
        self.code = 0
        self._received = WS_MESSAGES.bind(*where, "received")
        self._sent = WS_MESSAGES.bind(*where, "sent")
        WS_ACTIVE.bind(*where)(1)
        self.open = True

    def received(self) -> None:
        """A message has come in."""
        self._received(1)

    def sent(self) -> None:
        """A message has gone out."""
        self._sent(1)

    def ended(self, error: str | None) -> None:
        """The connection is over, with the `code` of its close frame, or 1006 without one."""
        if not self.open:
            return
        self.open = False
        if self._forks != _forks[0]:
            return
        WS_ACTIVE.bind(*self._where)(-1)
        code = self.code or 1006
        WS_DURATION.bind(*self._where, str(code), error)(perf_counter() - self.start)

    def __del__(self) -> None:
        try:
            if getattr(self, "open", False):  # not there if its making has failed
                self.ended(None)
        except BaseException as error:
            guard.failed("http", error)
