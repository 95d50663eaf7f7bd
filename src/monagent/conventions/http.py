"""HTTP: the numbers of a server, and what client and server have in common.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
"""

from __future__ import annotations

from monagent import guard, settings
from monagent.clock import time
from monagent.metrics import Histogram, UpDownCounter, cache
from monagent.settings_kinds import alternatives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0)
"""Seconds. The convention's, with 0.2 and 2, at which alerts stand."""

SIZES = (1e3, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6, 5e6, 1e7, 5e7, 1e8)
"""Bytes."""

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
FRAMEWORKS = frozenset(("aiohttp", "django", "fastapi", "flask", "starlette", "tornado"))
FRAMEWORKS |= {"bottle", "connexion", "falcon", "litestar", "pyramid", "quart", "sanic"}
"""Switching one of these off leaves its applications alone under every server."""

OTHER = "_OTHER"
UNMATCHED = "unmatched"
"""The route of every request that no route took."""

NO_BODY = frozenset((204, 304))

CLIENT_DISCONNECTED = "client_disconnected"
INCOMPLETE = "incomplete_response"
CLIENT_CLOSED = 499
"""Status of a request whose client left before there was one; nginx's number for it."""
GROUPS = frozenset(("ExceptionGroup", "BaseExceptionGroup"))

_LABELS = (
    "http.request.method",
    "url.scheme",
    "http.route",
    "http.response.status_code",
    "error.type",
)

DURATION = Histogram(
    "http.server.request.duration",
    unit="s",
    help="Time from a request's arrival to the last byte of its response.",
    labels=_LABELS,
    buckets=EDGES,
)
ACTIVE = UpDownCounter(
    "http.server.active_requests",
    unit="{request}",
    help="Requests being answered now.",
    labels=("http.request.method", "url.scheme"),
)
REQUEST_SIZE = Histogram(
    "http.server.request.body.size",
    unit="By",
    help="Size of request bodies as received; over WSGI, of up to 64 KiB as declared.",
    labels=_LABELS,
    buckets=SIZES,
)
RESPONSE_SIZE = Histogram(
    "http.server.response.body.size",
    unit="By",
    help="Size of response bodies as sent.",
    labels=_LABELS,
    buckets=SIZES,
)
FIRST_BYTE = Histogram(
    "http.server.time_to_first_byte",
    unit="s",
    help="Time from a request's arrival to the first byte of its response's body.",
    labels=_LABELS,
    buckets=EDGES,
)
QUEUE = Histogram(
    "http.server.request.queue.duration",
    unit="s",
    help="Time a request waited in front of the server, by a proxy's X-Request-Start header.",
    buckets=EDGES,
)

_alone: dict[type | None, object] = {}
"""By class, whether its instances are left alone; under None the settings that say so."""

arrivals: dict[str, dict[str, Any]] = cache()
"""By scheme and method what such requests share (`_exchange.Arrival`); stays empty when `broken`,
so that only requests that are not found in here need to ask."""

broken = False
"""Measuring requests failed too often and is switched off."""


def error_type(error: BaseException) -> str:
    """`ValueError`, `package.module.Error`; of a group of one, as task groups make, that one's."""
    found = type(error)
    if found.__name__ in GROUPS:
        inside: Any = getattr(error, "exceptions", ())
        if len(inside) == 1:
            return error_type(inside[0])
    module = found.__module__
    return found.__qualname__ if module == "builtins" else f"{module}.{found.__qualname__}"


def queued(header: str) -> None:
    """Record the time since a proxy's stamp: `t=1700000000.123`, or that in ms, µs or ns."""
    try:
        stamp = float(header.strip().removeprefix("t="))
    except ValueError:
        return
    now = time()
    if not stamp < 1e20:  # infinite, or none
        return
    while stamp > now * 100:  # the next smaller unit
        stamp /= 1000
    # The header comes from outside: what claims to have waited for an hour is no measurement.
    if stamp > now - 3600:
        QUEUE.bind()(max(0.0, now - stamp))


def excluder() -> Callable[[str, str, str], bool] | None:
    """Whether a request (scheme, host, path) is to be left out; None: none is."""
    patterns = settings.current().excluded_urls
    if not patterns:
        return None
    import re  # Only who excludes pays for it.

    search = re.compile(alternatives(patterns)).search

    def excluded(scheme: str, host: str, path: str) -> bool:
        return bool(search(path) or search(f"{scheme}://{host}{path}"))

    return excluded


def some_off() -> bool:
    """Whether any library or family is switched off at all."""
    found = settings.current()
    return bool(found.disable or "off" in found.modes.values())


def left_alone(app: object) -> bool:
    """Whether nobody is to measure this application: its framework is off, or the whole family."""
    found = settings.current()
    if found is not _alone.get(None):  # asked for every request, answered once for a class
        _alone.clear()
        _alone[None] = found
    kind = type(app)
    if kind not in _alone:
        _alone[kind] = some_off() and _off(kind)
    return bool(_alone[kind])


def _off(kind: type) -> bool:
    found = settings.current()
    names = {base.__module__.partition(".")[0] for base in kind.__mro__} & FRAMEWORKS
    # Named, not just missing from MONAGENT_ENABLE_ONLY: there a server's name means all it serves.
    return any(
        found.modes.get(name) == "off"
        or (name not in found.modes and not {name, "*"}.isdisjoint(found.disable))
        for name in names | {"http"}
    )


def failed(error: BaseException) -> None:
    """Something of ours broke while a request was measured; the request goes on."""
    global broken
    guard.failed("http", error)
    broken = guard.off("http")
    if broken:
        arrivals.clear()
