"""Remote procedure calls: the numbers of servers and of clients.

`Calls` are those of one method. A method is known by the service that offers it or by the stub
that calls it; every other name is one value. Names and edges are the release candidate's that took
the place of `rpc.server.duration`: https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/
"""

from __future__ import annotations

from bisect import bisect_left

from monagent.clock import perf_counter
from monagent.conventions._failures import failure
from monagent.conventions._peers import Peer
from monagent.metrics import Histogram, UpDownCounter, cache
from monagent.metrics.fused import cell, place
from monagent.metrics.pulse import due, pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.metrics.recorders import Recorder

    Finish = Callable[[float], None]

OK = "OK"
OTHER = "_OTHER"
"""The method of every call to a name that no service offers."""

EDGES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; the convention's."""

SERVER_FAULTS = frozenset(
    ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
)
"""What a server counts as an error; the other codes tell that the client was wrong.
https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""

_PEER = ("server.address", "server.port", "peer.service")
_OUTCOME = ("rpc.response.status_code", "error.type")

SERVER_DURATION = Histogram(
    "rpc.server.call.duration",
    unit="s",
    help="Time from a call's arrival to its end, streams included.",
    labels=("rpc.system.name", "rpc.method", *_OUTCOME),
    buckets=EDGES,
)
SERVER_ACTIVE = UpDownCounter(
    "rpc.server.active_calls",
    unit="{call}",
    help="Calls being served now, open streams included.",
    labels=("rpc.system.name", "rpc.method"),
)
CLIENT_DURATION = Histogram(
    "rpc.client.call.duration",
    unit="s",
    help="Time from an outgoing call's begin to its end, streams included.",
    labels=("rpc.system.name", "rpc.method", *_PEER, *_OUTCOME),
    buckets=EDGES,
)
CLIENT_ACTIVE = UpDownCounter(
    "rpc.client.active_calls",
    unit="{call}",
    help="Outgoing calls under way now, open streams included.",
    labels=("rpc.system.name", "rpc.method", *_PEER),
)

_MOST_METHODS = 1_000
_served: dict[tuple[str, str], Calls] = cache()
_called: dict[tuple[str, str, Peer], Calls] = cache()
_known: dict[str, bool] = cache()


class Calls(dict[str, "Finish"]):
    """The calls of one method, or of one method of one peer. By status: what ends a call.

    Whoever measures does `calls.mem[0][calls.at] += 1.0` (one more active), takes the time, and
    then one of `ok(begun)`, `calls[code](begun)` and `broke`.
    """

    __slots__ = ("_duration", "_faults", "_labels", "active", "at", "mem", "ok")

    def __init__(self, peer: Peer | None, system: str, method: str) -> None:
        self._labels: tuple[Any, ...]
        if peer is None:
            self._duration, self._labels = SERVER_DURATION, (system, method)
            self._faults: frozenset[str] | None = SERVER_FAULTS
            self.active = SERVER_ACTIVE.bind(*self._labels)
        else:
            self._duration, self._labels = CLIENT_DURATION, (system, method, *peer.labels)
            self._faults = None
            self.active = CLIENT_ACTIVE.bind(*self._labels)
        self.mem, self.at = cell(self.active)
        self.ok = self[OK]

    def __missing__(self, code: str) -> Finish:
        faults = self._faults
        wrong = code != OK if faults is None else code in faults
        finish, keep = _finish(
            self.active, self._duration.bind(*self._labels, code, code if wrong else None)
        )
        if keep:
            self[code] = finish
        return finish

    def broke(self, begun: float, error: BaseException) -> None:
        """A call has raised before there was any status."""
        self.active(-1.0)
        seconds = perf_counter() - begun
        self._duration.bind(*self._labels, None, failure(error))(seconds)


def _finish(active: Recorder, duration: Recorder) -> tuple[Finish, bool]:
    """What ends a call that began at a time of perf_counter; and whether it may be kept."""
    first, second = place(active), place(duration)
    if first is None or second is None:

        def apart(begun: float) -> None:
            active(-1.0)
            duration(perf_counter() - begun)

        return apart, False
    (mem, a, _), (_, d, edges) = first, second

    # As in metrics/fused.py: one call with its needs as defaults, and none between mem[0] and the
    # last write.
    def finish(
        begun: float,
        clock: Any = perf_counter,
        search: Any = bisect_left,
        mem: Any = mem,
        edges: Any = edges,
        due: Any = due,
        a: int = a,
        d: int = d,
        d1: int = d + 1,
    ) -> None:
        now = clock()
        seconds = now - begun
        bucket = d1 + search(edges, seconds)
        view = mem[0]
        view[a] -= 1.0
        view[d] += seconds
        view[bucket] += 1.0
        if now > due[0]:
            pulse(now)

    return finish, True


def served(system: str, method: str) -> Calls:
    """The calls of a method that this process serves; OTHER for names that nobody serves."""
    try:
        return _served[system, method]
    except KeyError:
        found = _served[system, method] = Calls(None, system, method)
        return found


def called(system: str, method: str, peer: Peer) -> Calls:
    """The calls of a method of this peer."""
    try:
        return _called[system, method, peer]
    except KeyError:
        found = _called[system, method, peer] = Calls(peer, system, method)
        return found


def known(method: str) -> str:
    """The label of a method that a service offers or a stub has: its name, up to a number of them
    that only names made up at run time can reach."""
    if method not in _known:
        if len(_known) >= _MOST_METHODS:
            return OTHER
        _known[method] = True
    return method
