"""What HTTP requests of one kind share, and the functions that end one of them."""

from __future__ import annotations

from bisect import bisect_left

from monagent.clock import perf_counter
from monagent.conventions import _plain, http
from monagent.conventions.http import (
    ACTIVE,
    DURATION,
    FIRST_BYTE,
    METHODS,
    NO_BODY,
    OTHER,
    REQUEST_SIZE,
    RESPONSE_SIZE,
)
from monagent.metrics.fused import cell, place, together
from monagent.metrics.pulse import due, pulse
from monagent.native import MOST_EDGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.conventions._exchange import Exchange
    from monagent.metrics.recorders import Recorder

    Ender = Callable[[Exchange, float], None]

_MOST_ENDERS = 20_000


class Arrival(_plain.Shared):
    """What requests of one method and scheme have in common.

    Attributes:
        method, scheme: as labels.
        add: adds to the active requests.
        cell: where that adds, `mem` and the index.
        enders: of plain answers, by status and route: see `ender`.
        others: of all others, by route, status and error.
    """

    __slots__ = ("method", "others", "scheme")
    add: Recorder
    cell: tuple[Any, int]
    enders: dict[int, dict[object, Ender]]

    def __init__(self, method: str, scheme: str) -> None:
        self.method = method
        self.scheme = scheme
        self.add = ACTIVE.bind(method, scheme)
        self.cell = cell(self.add)
        self.enders = {}
        self.others: dict[object, Ender] = {}


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


def ender(arrival: Arrival, route: str, status: int, error: str | None) -> Ender:
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
    places = [place(recorder) for recorder in recorders]
    end = _apart(*recorders) if None in places else _fused(error is None, *places)
    if arrival.method == "HEAD" or status in NO_BODY:
        end = _without_body(end)
    if len(kept) < _MOST_ENDERS and None not in places:
        kept[key] = end
    return end


def _fused(
    plain: bool, active: Any, duration: Any, first_byte: Any, request: Any, response: Any
) -> Ender:
    """One function for all cells: each call that it saves costs more than an addition, and each
    addition as much as a call of our own."""
    mem, a, _ = active
    _, d, edges = duration
    _, f, f_edges = first_byte
    _, q, q_edges = request
    _, r, r_edges = response
    # Most plain answers are small, and their requests have no body: joint cells for those in one
    # piece, and for those whose first byte has a time of its own in the first bucket.
    small = r_edges[0] if plain and r_edges and edges == f_edges else -1.0
    none = q + 1 + bisect_left(q_edges, 0)
    counts = (a, -1), (none, 1), (r + 1, 1)
    j = together(mem, edges, ((0, d), (0, f)), counts) if small >= 0 else -1
    small = small if j >= 0 else -1.0
    fast = edges[0] if edges and edges == f_edges else -1.0
    other = [j if j < 0 else 0]

    def another() -> int:
        other[0] = together(mem, edges, ((0, d), (1, f + 1)), counts)
        return other[0]

    # What is needed are defaults, which lie side by side, not cells of a closure. No call stands
    # between mem[0] and the last write, see metrics/recorders.py.
    def end(
        exchange: Exchange,
        active: float,
        mem: Any = mem,
        edges: Any = edges,
        f_edges: Any = f_edges,
        q_edges: Any = q_edges,
        r_edges: Any = r_edges,
        search: Any = bisect_left,
        fast: float = fast,
        small: float = small,
        a: int = a,
        d: int = d,
        f: int = f,
        q: int = q,
        none: int = none,
        r: int = r,
        j: int = j,
        j1: int = j + 1,
        other: list[int] = other,
    ) -> None:
        exchange.recorded = True
        exchange.active = None
        start, now, first = exchange.start, exchange.end, exchange.first
        if not now:
            now = exchange.end = perf_counter()
        seconds = now - start
        sent = exchange.sent
        joint = sent <= small and active and not exchange.received
        if joint and not first:
            bucket = j1 if seconds <= fast else j1 + search(edges, seconds)
            view = mem[0]
            view[j] += seconds
            view[bucket] += 1.0
            view[r] += sent
        elif joint and seconds <= fast and (o := other[0] or another()) > 0:
            view = mem[0]
            view[o] += seconds
            view[o + 1] += 1.0
            view[f] += first - start
            view[r] += sent
        else:
            to_first = first - start if first else seconds
            if seconds <= fast:
                bucket, first_bucket = d + 1, f + 1
            else:
                bucket = d + 1 + search(edges, seconds)
                first_bucket = f + 1 + search(f_edges, to_first)
            sent_bucket = r + 1 if sent <= small else r + 1 + search(r_edges, sent)
            received = exchange.received
            received_bucket = q + 1 + search(q_edges, received) if received else none
            view = mem[0]
            view[a] -= active
            view[d] += seconds
            view[bucket] += 1.0
            view[f] += to_first
            view[first_bucket] += 1.0
            view[q] += received
            view[received_bucket] += 1.0
            view[r] += sent
            view[sent_bucket] += 1.0
        if now > due[0]:
            pulse(now)

    histograms = edges, f_edges, q_edges, r_edges
    if _plain.Ender is None or max(map(len, histograms)) > MOST_EDGES:
        return end
    places = (d, edges), (f, f_edges), (q, q_edges), (r, r_edges)
    made: Ender = _plain.Ender(end, another, due, pulse, mem, a, *places, none, j, small, fast)
    return made


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
