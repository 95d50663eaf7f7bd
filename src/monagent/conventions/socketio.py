"""Socket.IO: connections to namespaces, and events each way.

What carries it, WebSockets or polling requests, counts as that beneath.
"""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.conventions.http import OTHER
from monagent.metrics import Counter, Histogram, UpDownCounter, cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Recorder = Callable[[float], None]

ACTIVE = UpDownCounter(
    "socketio.connections.active",
    unit="{connection}",
    help="Socket.IO clients connected now.",
    labels=("socketio.namespace",),
)
EVENTS = Counter(
    "socketio.events",
    unit="{event}",
    help="Socket.IO events, received and sent; one for each client that an event is sent to.",
    labels=("socketio.namespace", "event", "direction"),
)
DURATION = Histogram(
    "socketio.connection.duration",
    unit="s",
    help="Time that Socket.IO clients were connected.",
    labels=("socketio.namespace",),
    buckets=(1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),  # as WebSockets have them
)

RECEIVED = "received"
SENT = "sent"

_open: dict[tuple[str, str], tuple[str, float]] = cache()
_events: dict[tuple[str, str, str], Recorder] = cache()
_names: dict[str, bool] = cache()
_MOST_NAMES = 200
_MOST_EVENTS = 2_000


def connected(namespace: str, client: str, within: str) -> None:
    """A client was let in, and counts within this namespace until it has left."""
    if (namespace, client) not in _open:
        label = named(within)
        _open[namespace, client] = label, perf_counter()
        ACTIVE.bind(label)(1)


def disconnected(namespace: str, client: str) -> None:
    """A client has left, or was sent away."""
    found = _open.pop((namespace, client), None)
    if found is not None:
        label, begun = found
        ACTIVE.bind(label)(-1)
        DURATION.bind(label)(perf_counter() - begun)


def event(namespace: str, name: str, direction: str) -> None:
    """An event that the program knows by this name has come or gone."""
    try:
        _events[namespace, name, direction](1.0)
    except KeyError:
        found = EVENTS.bind(named(namespace), named(name), direction)
        if len(_events) < _MOST_EVENTS:
            _events[namespace, name, direction] = found
        found(1.0)


def named(name: str) -> str:
    """A name as a label; beyond a number of them, which only ones made up reach, OTHER."""
    if name not in _names:
        if len(_names) >= _MOST_NAMES:
            return OTHER
        _names[name] = True
    return name
