"""HTTP: the numbers of outgoing calls, the same for every client.

What is counted is the logical call: redirects that the client follows and tries that it repeats are
part of it, and of two clients that stand on one another the outer one counts it. Its duration ends
when the client hands the answer over: with its body where the client reads that first, with the
headers where the application streams the body; such a call is counted when its stream ends, with
what broke it. https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-client
"""

from __future__ import annotations

import os

from monagent import guard
from monagent.clock import time
from monagent.conventions import _calls, _http_pools, _open  # noqa: F401 - its metrics belong to the family
from monagent.conventions._failures import failure
from monagent.conventions._peers import Peer, of_url
from monagent.conventions.http import EDGES, METHODS, OTHER, SIZES
from monagent.metrics import Counter, Gauge, Histogram, UpDownCounter, cache
from monagent.metrics.fused import cell, exchange
from monagent.metrics.pulse import due, pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from monagent.metrics.fused import Finish

    class Headers(Protocol):
        def get(self, name: str, /) -> Any: ...


_PEER = ("server.address", "server.port", "peer.service")
_LABELS = ("http.request.method", *_PEER, "http.response.status_code", "error.type")

DURATION = Histogram(
    "http.client.request.duration",
    unit="s",
    help="Time from a call's begin until its answer is handed over, redirects and retries within.",
    labels=_LABELS,
    buckets=EDGES,
)
ACTIVE = UpDownCounter(
    "http.client.active_requests",
    unit="{request}",
    help="Calls under way now.",
    labels=("http.request.method", *_PEER),
)
REQUEST_SIZE = Histogram(
    "http.client.request.body.size",
    unit="By",
    help="Size of request bodies of answered calls, as sent.",
    labels=_LABELS,
    buckets=SIZES,
)
RESPONSE_SIZE = Histogram(
    "http.client.response.body.size",
    unit="By",
    help="Size of response bodies as received, compressed where they are.",
    labels=_LABELS,
    buckets=SIZES,
)
RESENDS = Counter(
    "http.client.request.resends",
    unit="{request}",
    help="Further requests within calls: redirects followed, retries after errors or by status.",
    labels=(*_PEER, "reason"),
)
THROTTLED = Counter(
    "http.client.throttled",
    unit="{response}",
    help="Answers that ask to slow down: status 429, and other errors with Retry-After.",
    labels=(*_PEER, "http.response.status_code"),
)
RETRY_AFTER = Histogram(
    "http.client.retry_after",
    unit="s",
    help="Delay that answers ask for in Retry-After.",
    labels=_PEER,
    buckets=(1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0),
)
REMAINING = Gauge(
    "http.client.rate_limit.remaining",
    unit="{request}",
    help="Calls left in the peer's current window, by its own account in its latest answer.",
    labels=_PEER,
    merge="last",
)

CALLS: dict[Any, Calls] = cache()
"""What clients look up: by (`scheme://authority`, method) or (scheme, host, port, method)."""

LATEST: dict[str, tuple[Any, ...]] = cache()
LATEST_BY_PARTS: dict[str, tuple[Any, ...]] = cache()
"""By method, the first part of such a key and its calls, or the first three: where the last call
went to, the next one mostly goes, and finds them without a key of its own."""

_MOST_CALLS = 2_000
_REMAINING = ("x-ratelimit-remaining", "x-ratelimit-remaining-requests", "ratelimit-remaining")
_LOOK = 1.0  # seconds between two looks for them, while a peer has never sent one, as most
_LEFT = "remaining"

_forks = [0]
os.register_at_fork(after_in_child=lambda: _forks.__setitem__(0, _forks[0] + 1))


class Calls(_calls.Fields):
    """Calls of one method to one peer. By an answer's status: what ends a call.

    A client does `calls.mem[0][calls.at] += 1.0` (one more active), takes the time, and then one of
    `calls[status](seconds, sent, received)` (bytes, -1: not known), `failed` and `streams`; when an
    answer's time is past `look` or its status is an error it lets `heard` see the headers: those of
    every answer once the peer has told in one how many calls are left.
    """

    __slots__ = ()

    def __init__(self, peer: Peer, method: str) -> None:
        self.peer = peer
        self.method = method.upper() if method.upper() in METHODS else OTHER
        self.active = ACTIVE.bind(self.method, *peer.labels)
        self.mem, self.at = cell(self.active)
        self.look = 0.0

    def __missing__(self, status: int) -> Finish:
        status = number(status)
        error = str(status) if status >= 400 else None
        labels = (self.method, *self.peer.labels, status or None, error)
        finish, keep = exchange(
            self.active,
            DURATION.bind(*labels),
            REQUEST_SIZE.bind(*labels),
            RESPONSE_SIZE.bind(*labels),
        )
        if keep:
            self[status] = finish
        return finish

    def failed(self, seconds: float, error: BaseException, status: int | None = None) -> None:
        """The call has raised, maybe after the headers of its answer."""
        self.active(-1.0)
        self.unsent(error, seconds, status)

    def failed_by(self, word: str, seconds: float, status: int | None = None) -> None:
        """As `failed`, where the client's own error has told its integration the word."""
        self.active(-1.0)
        DURATION.bind(self.method, *self.peer.labels, status, word)(seconds)

    def unsent(self, error: BaseException, seconds: float = 0.0, status: int | None = None) -> None:
        """The call failed before it began, for its URL or its arguments."""
        DURATION.bind(self.method, *self.peer.labels, status, failure(error))(seconds)

    def streams(self, seconds: float, status: int, sent: int) -> Streamed:
        """The answer is handed over with its body to come."""
        return Streamed(self, seconds, status, sent)

    def heard(self, status: int, headers: Headers, now: float) -> None:
        """Read what the peer says about its limits."""
        state = self.peer.state
        self.look = 0.0 if _LEFT in state else now + _LOOK
        if now > due[0]:
            pulse(now)
        throttled(self.peer, status, headers)
        for name in _REMAINING:
            left = headers.get(name)
            if left and str(left).isdecimal():
                if _LEFT not in state:
                    state[_LEFT] = REMAINING.bind(*self.peer.labels)
                    self.look = 0.0
                state[_LEFT](float(left))
                break


class Streamed:
    """An answer whose body the application reads at its leisure; `end` counts the call, once.

    It ends with its last reference or with the program at the latest, but not in a forked child,
    where the parent's calls are nobody's.
    """

    __slots__ = ("_calls", "_forks", "_seconds", "_sent", "_status")

    def __init__(self, calls: Calls, seconds: float, status: int, sent: int) -> None:
        self._calls: Calls | None = calls
        self._forks = _forks[0]
        self._seconds = seconds
        self._status = status
        self._sent = sent

    def end(self, received: int, error: BaseException | None = None) -> None:
        """The body was read to its end, closed, or broken by `error`."""
        calls = getattr(self, "_calls", None)  # not there if its making has failed
        self._calls = None
        if calls is None or self._forks != _forks[0]:
            return
        if error is None or isinstance(error, GeneratorExit):  # closed early, by choice
            calls[self._status](self._seconds, self._sent, received)
        else:
            calls.failed(self._seconds, error, self._status)

    def __del__(self) -> None:
        try:
            self.end(-1)
        except BaseException as error:
            guard.failed("http_client", error)


_open.watch(Streamed, ACTIVE)


class Upload:
    """Stands in for a request body without a length, to count what is taken from it."""

    __slots__ = ("_body", "sent")

    def __init__(self, body: Any) -> None:
        self._body = body
        self.sent = 0

    def __iter__(self) -> Iterator[Any]:
        self.sent = 0
        for part in self._body:
            self.sent += len(part) if isinstance(part, bytes) else _size(part)
            yield part


def _size(part: Any) -> int:
    """Bytes of a part of a body, text as urllib3 sends it; 0 for what no client sends."""
    try:
        if isinstance(part, str):
            part = str.encode(part, "utf-8", "replace")
        return memoryview(part).nbytes
    except (TypeError, ValueError, BufferError):
        return 0


def calls_to(peer: Peer, method: object, key: object = None) -> Calls:
    """The calls of this method to this peer, under this key from now on."""
    calls = Calls(peer, method if isinstance(method, str) else OTHER)
    if key is not None:
        if len(CALLS) >= _MOST_CALLS:
            CALLS.clear()
        CALLS[key] = calls
    return calls


def first_by_url(url: str, method: Any) -> Calls:
    """A call to an absolute URL begins, maybe the first to its server."""
    end = url.find("/", 8)  # 8: behind https://
    key = (url if end < 0 else url[:end], method)
    calls = CALLS.get(key)
    if calls is None:
        calls = calls_to(of_url(url), method, key)
    calls.mem[0][calls.at] += 1.0
    return calls


def number(status: object) -> int:
    """A status as a plain number, whatever a stand-in has for one; 0 for what is none."""
    try:
        return int(status if isinstance(status, int) else str(status))
    except ValueError:
        return 0


def resent(peer: Peer, reason: str) -> None:
    """A client sends a call once more."""
    RESENDS.bind(*peer.labels, reason)(1.0)


def throttled(peer: Peer, status: int, headers: Headers) -> None:
    """An answer of 4xx or 5xx may ask to slow down."""
    if status < 400:
        return
    asked = headers.get("retry-after")
    if status == 429 or asked:
        THROTTLED.bind(*peer.labels, number(status))(1.0)
    seconds = _seconds(str(asked)) if asked else None
    if seconds is not None:
        RETRY_AFTER.bind(*peer.labels)(seconds)


def _seconds(asked: str) -> float | None:
    """Seconds of a Retry-After: a number of them, or a date."""
    if asked.isdecimal():
        return float(asked[:9])
    from email.utils import parsedate_to_datetime  # Who calls over HTTP has imported `email`.

    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return None
