"""django-ninja: what its handlers make of exceptions, and the decisions of its throttles.

Requests and routes are Django's, see there.
"""

from __future__ import annotations

from monagent import guard
from monagent.conventions import http, ratelimit
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._django import exchange_of, route_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "ninja",
    distribution="django-ninja",
    versions=">=1.0",
    records=("http", "ratelimit"),
    needs=("django",),
    covers="errors that an exception handler answers with a 5xx, decisions of throttles",
)


@replace("ninja.main", "NinjaAPI.on_exception")
def exception(original: Any) -> Any:
    def on_exception(self: Any, request: Any, exc: Any) -> Any:
        response = original(self, request, exc)
        try:
            exchange = exchange_of(request)
            if exchange is not None and response.status_code >= 500:
                exchange.caught = error_type(exc)
        except BaseException as error:
            http.failed(error)
        return response

    return on_exception


# Since 1.2; operations without throttles do not come here.
@replace("ninja.operation", "Operation._check_throttles", optional=True)
def throttles(original: Any) -> Any:
    def _check_throttles(self: Any, request: Any) -> Any:
        try:
            refused = original(self, request)
        except Exception:
            decided(request, ratelimit.ERROR)
            raise
        decided(request, ratelimit.ALLOWED if refused is None else ratelimit.LIMITED)
        return refused

    return _check_throttles


@replace("ninja.throttling", "SimpleRateThrottle.allow_request", optional=True)
def rate(original: Any) -> Any:
    def allow_request(self: Any, request: Any) -> Any:
        allowed = original(self, request)
        try:
            client, most = getattr(self, "key", None), self.num_requests
            if client is not None and most:
                share = len(self.history) / most
                route = route_of(request)
                ratelimit.used(route, client, (self.scope, self.rate), share, self.duration)
        except BaseException as error:
            guard.failed("ninja", error)
        return allowed

    return allow_request


def decided(request: Any, decision: str) -> None:
    """All throttles of an operation were asked."""
    try:
        ratelimit.decided("ninja", route_of(request), decision)
    except BaseException as error:
        guard.failed("ninja", error)
