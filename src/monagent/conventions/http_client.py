"""HTTP: the numbers of outgoing calls, the same for every client.

One `Outgoing` is one logical call: redirects that the client follows and tries that it repeats are
part of it, and of two clients that stand on one another the outer one makes it. Its duration ends
when the client hands the answer over: with its body where the client reads that first, with the
headers where the application streams the body; such a call is counted when its stream ends, with
what broke it. https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-client
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from time import perf_counter, time

from monagent import guard
from monagent.conventions import _http_pools  # noqa: F401 - its metrics belong to the family
from monagent.conventions._failures import failure
from monagent.conventions._peers import Peer
from monagent.conventions.http import EDGES, METHODS, OTHER, SIZES
from monagent.metrics import Counter, Gauge, Histogram, UpDownCounter
from monagent.metrics.pulse import due, pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

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
    help="Calls left in the peer's current window, by its own account, at most a second old.",
    labels=_PEER,
    merge="last",
)

INSIDE: ContextVar[Outgoing | None] = ContextVar("monagent.http_client", default=None)
"""The call of an outer client under way here, which clients beneath must not count again."""

_REMAINING = ("x-ratelimit-remaining", "x-ratelimit-remaining-requests", "ratelimit-remaining")
_LOOK = 1.0  # seconds between two looks for them, since most peers never send one

_forks = [0]
os.register_at_fork(after_in_child=lambda: _forks.__setitem__(0, _forks[0] + 1))


class Outgoing:
    """One call under way. `owner` is the client that makes it; `upload` counts a body that has no
    length."""

    __slots__ = ("_active", "_begin", "_method", "_peer", "owner", "upload")

    def __init__(self, peer: Peer, method: str, owner: object = None) -> None:
        try:
            active = peer.active[method]
        except KeyError:
            active = _bind_active(peer, method)
        self._peer = peer
        self._method = method
        self._active = active
        self.owner = owner
        self.upload: Upload | None = None
        active(1.0)
        self._begin = perf_counter()

    def answered(
        self, status: int, headers: Headers, sent: int | None, received: int | None
    ) -> None:
        """The answer is handed over; sizes in bytes, None where they cannot be told."""
        now = perf_counter()
        self._active(-1.0)
        peer = self._peer
        if status >= 400 or now > peer.look:
            _listen(peer, status, headers, now)
        _record(peer, self._method, status, now - self._begin, sent, received)
        if now > due[0]:
            pulse(now)

    def streams(self, status: int, headers: Headers, sent: int | None) -> Streamed:
        """The answer is handed over with its body to come."""
        now = perf_counter()
        _listen(self._peer, status, headers, now)
        return Streamed(self, status, now - self._begin, sent)

    def failed(self, error: BaseException, status: int | None = None) -> None:
        """The call has raised, maybe after the headers of its answer."""
        now = perf_counter()
        self._active(-1.0)
        _fail(self._peer, self._method, status, now - self._begin, error)
        if now > due[0]:
            pulse(now)

    def resent(self, reason: str) -> None:
        """The client sends once more: for a redirect, connect, read, status or auth."""
        resent(self._peer, reason)

    def ended(self, streamed: Streamed, received: int | None, error: BaseException | None) -> None:
        """The stream of the answer is over."""
        self._active(-1.0)
        status, seconds = streamed.status, streamed.seconds
        if error is None or isinstance(error, GeneratorExit):  # closed early, by choice
            _record(self._peer, self._method, status, seconds, streamed.sent, received)
        else:
            _fail(self._peer, self._method, status, seconds, error)


class Streamed:
    """An answer whose body the application reads at its leisure; `end` counts the call, once.

    It ends with its last reference at the latest, but not in a forked child, where the parent's
    calls are nobody's.
    """

    __slots__ = ("_forks", "_outgoing", "seconds", "sent", "status")

    def __init__(self, outgoing: Outgoing, status: int, seconds: float, sent: int | None) -> None:
        self._outgoing: Outgoing | None = outgoing
        self._forks = _forks[0]
        self.status = status
        self.seconds = seconds
        self.sent = sent

    def end(self, received: int | None, error: BaseException | None = None) -> None:
        """The body was read to its end, closed, or broken by `error`."""
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is not None and self._forks == _forks[0]:
            outgoing.ended(self, received, error)

    def __del__(self) -> None:
        try:
            self.end(None)
        except BaseException as error:
            guard.failed("http_client", error)


class Upload:
    """Stands in for a request body without a length, to count what is taken from it."""

    __slots__ = ("_body", "sent")

    def __init__(self, body: Any) -> None:
        self._body = body
        self.sent = 0

    def __iter__(self) -> Iterator[Any]:
        self.sent = 0
        for part in self._body:
            self.sent += len(part)
            yield part


def resent(peer: Peer, reason: str) -> None:
    """A client sends a call once more."""
    RESENDS.bind(*peer.labels, reason)(1.0)


def said(peer: Peer, status: int, headers: Headers) -> None:
    """What an answer says that the client does not hand over, since it sends once more."""
    _listen(peer, status, headers, perf_counter())


def unsent(peer: Peer, method: object, error: BaseException) -> None:
    """A call that failed before it began, for its URL or its arguments."""
    _fail(peer, method if isinstance(method, str) else OTHER, None, 0.0, error)


def _known(method: str) -> str:
    upper = method.upper()
    return upper if upper in METHODS else OTHER


def _bind_active(peer: Peer, method: str) -> Any:
    active = ACTIVE.bind(_known(method), *peer.labels)
    if len(peer.active) < 100:
        peer.active[method] = active
    return active


def _record(
    peer: Peer, method: str, status: int, seconds: float, sent: int | None, received: int | None
) -> None:
    try:
        duration, request, response = peer.answers[method, status]
    except KeyError:
        duration, request, response = _bind_answer(peer, method, status)
    duration(seconds)
    if sent is not None:
        request(sent)
    if received is not None:
        response(received)


def _bind_answer(peer: Peer, method: str, status: int) -> tuple[Any, Any, Any]:
    error = str(status) if status >= 400 else None
    labels = (_known(method), *peer.labels, status, error)
    bound = (DURATION.bind(*labels), REQUEST_SIZE.bind(*labels), RESPONSE_SIZE.bind(*labels))
    if len(peer.answers) < 1000:
        peer.answers[method, status] = bound
    return bound


def _fail(
    peer: Peer, method: str, status: int | None, seconds: float, error: BaseException
) -> None:
    DURATION.bind(_known(method), *peer.labels, status, failure(error))(seconds)


def _listen(peer: Peer, status: int, headers: Headers, now: float) -> None:
    """Read what the peer says about its limits."""
    if status >= 400:
        asked = headers.get("retry-after")
        if status == 429 or asked:
            THROTTLED.bind(*peer.labels, status)(1.0)
        seconds = _seconds(asked) if asked else None
        if seconds is not None:
            RETRY_AFTER.bind(*peer.labels)(seconds)
    if now > peer.look:
        peer.look = now + _LOOK
        for name in _REMAINING:
            left = headers.get(name)
            if left and str(left).isdecimal():
                REMAINING.bind(*peer.labels)(float(left))
                break


def _seconds(asked: str) -> float | None:
    """Seconds of a Retry-After: a number of them, or a date."""
    if asked.isdecimal():
        return float(asked[:9])
    from email.utils import parsedate_to_datetime  # Who calls over HTTP has imported `email`.

    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time())
    except (ValueError, TypeError):
        return None
