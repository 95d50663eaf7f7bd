"""slowapi: every request that a limiter checks, by a route's decorator or in the middleware.

The middleware decides before any router has seen the request; slowapi has looked for the endpoint
itself then, and the route is the endpoint's.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import _ratelimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "slowapi",
    versions=">=0.1.8",
    records=("ratelimit",),
    needs=("limits",),
    covers="requests checked by decorators and by the middleware, and clients near their limit",
)

_paths: dict[Any, str | None] = {}  # of endpoints, as the application's routes say them
_MOST_PATHS = 2_000


@replace("slowapi.extension", "Limiter._check_request_limit")
def check(original: Any) -> Any:
    def _check_request_limit(self: Any, request: Any, endpoint: Any, *args: Any, **kw: Any) -> Any:
        decision = None
        try:
            route = _ratelimit.route_of(request.scope) or path_of(request, endpoint)
            decision = _ratelimit.begin("slowapi", route)
        except BaseException as error:
            _ratelimit.failed("slowapi", error)
        try:
            return original(self, request, endpoint, *args, **kw)
        finally:
            try:
                if decision is not None:
                    decision.end()
            except BaseException as error:
                _ratelimit.failed("slowapi", error)

    return _check_request_limit


def path_of(request: Any, endpoint: Any) -> str | None:
    """The path of the route that this endpoint stands behind."""
    if endpoint is None:
        return None
    if endpoint not in _paths:
        found = None
        for route in request.app.routes:
            if getattr(route, "endpoint", None) is endpoint:
                found = getattr(route, "path", None)
        if len(_paths) >= _MOST_PATHS:
            return found
        _paths[endpoint] = found
    return _paths[endpoint]
