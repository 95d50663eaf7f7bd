"""Connections of HTTP clients and the pools that keep them, counted at their own events.

A `Connection` is the count of one open connection and lies on the client's connection object: it
counts as active or idle from there, and no longer once it is closed or nobody holds it.
"""

from __future__ import annotations

import os

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions._failures import failure
from monagent.conventions._peers import Peer
from monagent.conventions.http import EDGES
from monagent.metrics import Counter, Histogram, UpDownCounter
from monagent.metrics.fused import place
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PEER = ("server.address", "server.port", "peer.service")

OPEN = UpDownCounter(
    "http.client.open_connections",
    unit="{connection}",
    help="Open connections, active in a call or idle in a pool.",
    labels=(*_PEER, "http.connection.state"),
)
LIFETIME = Histogram(
    "http.client.connection.duration",
    unit="s",
    help="Time that connections were open; many short ones tell that they are not reused.",
    labels=_PEER,
    buckets=(0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),
)
MOST = UpDownCounter(
    "http.client.connection.max",
    unit="{connection}",
    help="Most connections that the pools allow at once; without an address, to all peers.",
    labels=_PEER,
)
WAITING = UpDownCounter(
    "http.client.connection.pending_requests",
    unit="{request}",
    help="Calls that wait for a pool to have a connection for them.",
    labels=_PEER,
)
WAIT = Histogram(
    "http.client.connection.wait_time",
    unit="s",
    help="Time that calls waited for a connection of a full pool.",
    labels=_PEER,
    buckets=EDGES,
)
TIMEOUTS = Counter(
    "http.client.connection.timeouts",
    unit="{timeout}",
    help="Calls that got no connection of a full pool in time.",
    labels=_PEER,
)

_CLOSED, _ACTIVE, _IDLE = 0, 1, 2

_forks = [0]


def forked() -> None:
    """This is a child from now on."""
    _forks[0] += 1
    if part:
        part.forked(_forks[0])


os.register_at_fork(after_in_child=forked)


class _Fields:
    """What is known of a connection, and what every call does with it."""

    __slots__ = ("_active", "_begin", "_forks", "_idle", "_lifetime", "_mem", "_state")

    _active: int
    _idle: int
    _forks: int
    _begin: float
    _lifetime: Any
    _mem: Any
    _state: int

    def busy(self) -> None:
        """A call has got it."""
        if self._state == _IDLE:
            self._state = _ACTIVE
            view = self._mem[0]
            if self._forks == _forks[0]:
                view[self._idle] -= 1.0
            else:
                self._forks = _forks[0]
            view[self._active] += 1.0

    def idle(self) -> None:
        """It waits for the next call."""
        if self._state == _ACTIVE:
            self._state = _IDLE
            view = self._mem[0]
            if self._forks == _forks[0]:
                view[self._active] -= 1.0
            else:
                self._forks = _forks[0]
            view[self._idle] += 1.0


if TYPE_CHECKING:
    Fields = _Fields
else:
    Fields = part.Counted if part else _Fields


class Connection(Fields):
    """One open connection, active at first. In a forked child those of its parent do not count
    until the child uses them."""

    __slots__ = ()

    # What is not plain is left to these by the part in C.
    busy_in_python = _Fields.busy
    idle_in_python = _Fields.idle

    def __init__(self, peer: Peer) -> None:
        cells = peer.state.get("open") or _bind(peer)
        self._mem, self._active, self._idle, self._lifetime = cells
        self._forks = _forks[0]
        self._state = _ACTIVE
        self._begin = perf_counter()
        self._mem[0][self._active] += 1.0

    def close(self) -> None:
        """It is no longer open."""
        before = getattr(self, "_state", _CLOSED)  # not there if its making has failed
        self._state = _CLOSED
        if before != _CLOSED and self._forks == _forks[0]:
            self._mem[0][self._active if before == _ACTIVE else self._idle] -= 1.0
            self._lifetime(perf_counter() - self._begin)

    def __del__(self) -> None:
        try:
            self.close()
        except BaseException as error:
            guard.failed("http_client", error)


class Pool:
    """A pool that allows `most` connections, as long as somebody holds this."""

    __slots__ = ("_add", "_forks", "_most")

    def __init__(self, most: int, peer: Peer | None = None) -> None:
        self._add = MOST.bind(*(peer.labels if peer else (None, None, None)))
        self._forks = _forks[0]
        self._most = most
        self._add(most)

    def __del__(self) -> None:
        try:
            if getattr(self, "_forks", -1) == _forks[0]:  # not there if its making has failed
                self._add(-self._most)
        except BaseException as error:
            guard.failed("http_client", error)


class Wait:
    """A call that waits for a connection of a pool; `end` says whether it got one."""

    __slots__ = ("_begin", "_cells")

    def __init__(self, peer: Peer) -> None:
        cells = peer.state.get("wait")
        if cells is None:
            labels = peer.labels
            cells = (WAITING.bind(*labels), WAIT.bind(*labels), TIMEOUTS.bind(*labels))
            peer.state["wait"] = cells
        self._cells: Any = cells
        self._begin = perf_counter()
        cells[0](1.0)

    def end(self, error: BaseException | None = None) -> None:
        """It got a connection, or not in time, or gave up for another reason."""
        self.over(None if error is None else failure(error))

    def over(self, reason: str | None) -> None:
        """The same, by the word for the reason; None: it got one."""
        waiting, wait, timeouts = self._cells
        waiting(-1.0)
        if reason is None:
            wait(perf_counter() - self._begin)
        elif reason == "pool_timeout":
            timeouts(1.0)


def _bind(peer: Peer) -> Any:
    """The shard's `mem`, the index of the active and of the idle, the recorder of lifetimes."""
    labels = peer.labels
    lifetime = LIFETIME.bind(*labels)
    active = place(OPEN.bind(*labels, "active"))
    idle = place(OPEN.bind(*labels, "idle"))
    if active is None or idle is None:  # A signal handler that calls while a series is made.
        return [[0.0, 0.0]], 0, 1, lifetime
    cells = peer.state["open"] = (active[0], active[1], idle[1], lifetime)
    return cells
