"""Rate limits: what was decided about requests, and how many clients are close to their limit.

A request counts once per limiter, however many limits applied to it. A client is never a label: of
those close to their limit a number per process is kept, and forgotten when its window ends.
"""

from __future__ import annotations

import os

from monagent.clock import monotonic
from monagent.metrics import Counter, Gauge, cache, sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Recorder = Callable[[float], None]

ALLOWED = "allowed"
LIMITED = "limited"
ERROR = "error"  # The store of the limits failed, so nothing was decided.

CLOSE = 0.8
"""The share of a limit from which on its client is close to it."""

REQUESTS = Counter(
    "rate_limit.requests",
    unit="{request}",
    help="Requests that a rate limiter was asked about, by its decision.",
    labels=("http.route", "limiter", "decision"),
)
VIOLATIONS = Counter(
    "rate_limit.violations",
    unit="{request}",
    help="Requests refused for their rate.",
    labels=("http.route",),
)
NEAR = Gauge(
    "rate_limit.near_limit",
    unit="{client}",
    help="Clients that have used up at least four fifths of a limit, as far as its library knows.",
    labels=("http.route",),
    merge="max",  # Processes share their clients, by a common store.
)

_decided: dict[tuple[str, str | None, str], tuple[Recorder, Recorder | None]] = cache()
_near: dict[str | None, dict[int, dict[Hashable, float]]] = cache()
_watching: list[bool] = []
_MOST_DECIDED = 5_000
_MOST_CLIENTS = 10_000  # on each route

os.register_at_fork(after_in_child=_near.clear)


def decided(limiter: str, route: str | None, decision: str) -> None:
    """`limiter`, a library's import name, has decided about a request on `route` (None: not to be
    told): ALLOWED, LIMITED or ERROR."""
    try:
        count, refused = _decided[limiter, route, decision]
    except KeyError:
        count, refused = _first(limiter, route, decision)
    count(1.0)
    if refused is not None:
        refused(1.0)


def used(
    route: str | None, client: Hashable, limit: Hashable, share: float, seconds: float
) -> None:
    """A client has used this share of a limit (1.0: all), whose window ends in so many seconds.

    `client` and `limit` only tell one from the other; of the client a hash is kept.
    """
    clients = _near.get(route)
    if clients is None:
        clients = _near.setdefault(route, {})
        NEAR.bind(route)(len(clients))
    if share < CLOSE:
        if clients:
            _forget(route, clients, hash(client), limit)
        return
    key, end = hash(client), monotonic() + seconds
    limits = clients.get(key, {})
    limits[limit] = end
    # A new one, or one that another thread has forgotten just now: `look` has a thread of its own.
    if clients.get(key) is not limits and len(clients) < _MOST_CLIENTS:
        clients.setdefault(key, limits)[limit] = end
        NEAR.bind(route)(len(clients))
    if not _watching:
        _watching.append(True)
        sampler.watch(look)


def look() -> None:
    """Forget the clients whose windows have ended."""
    now = monotonic()
    for route, clients in _near.copy().items():
        for key, limits in clients.copy().items():
            for limit, end in limits.copy().items():
                if end <= now:
                    limits.pop(limit, None)
            if not limits:
                clients.pop(key, None)
        NEAR.bind(route)(len(clients))


def _forget(
    route: str | None, clients: dict[int, dict[Hashable, float]], key: int, limit: Hashable
) -> None:
    limits = clients.get(key)
    if limits is None:
        return
    limits.pop(limit, None)
    if not limits:
        clients.pop(key, None)
        NEAR.bind(route)(len(clients))


def _first(limiter: str, route: str | None, decision: str) -> tuple[Recorder, Recorder | None]:
    """All decisions of a route exist at 0 with its first one."""
    found = {
        each: (
            REQUESTS.bind(route, limiter, each),
            VIOLATIONS.bind(route) if each == LIMITED else None,
        )
        for each in (ALLOWED, LIMITED, ERROR)
    }
    if len(_decided) < _MOST_DECIDED:
        for each, recorders in found.items():
            _decided[limiter, route, each] = recorders
    return found[decision]
