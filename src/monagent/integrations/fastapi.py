"""FastAPI: what Starlette's integration records, with the routes of included routers in full.

FastAPI's own telemetry (0.165 and later) records into the application's meter provider, which
monagent never sets or reads: it stays as it is, and each request counts once on our endpoint.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions.http import KEY
from monagent.instrument import Library, adopt, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.integrations._asgi import Receive, Scope, Send

LIBRARY = Library(
    "fastapi",
    versions=">=0.100",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of applications, by composed route template",
)


# 0.137 nests included routers: only the route's effective context knows include_router's prefix.
@replace("fastapi.routing", "APIRoute.handle", optional=True)
def route(original: Any) -> Any:
    async def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            routed(scope, getattr(self, "path", None))
        except BaseException as error:
            http.failed(error)
        return await original(self, scope, receive, send)

    return handle


@replace("fastapi.routing", "_FrontendRouteGroup.handle", optional=True)
def frontend(original: Any) -> Any:
    async def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            routed(scope, "/{path}")
        except BaseException as error:
            http.failed(error)
        return await original(self, scope, receive, send)

    return handle


def routed(scope: Scope, path: object) -> None:
    """A route takes the request, under its path with the prefixes it was included with."""
    exchange = scope.get(KEY)
    if exchange is None:
        return
    context = (scope.get("fastapi") or {}).get("effective_route_context")
    if context is not None:
        path = getattr(context, "path", "") or getattr(context, "frontend_prefix", "") + str(path)
    if type(path) is str:
        exchange.routed(path)


@adopt("fastapi.applications", "FastAPI.build_middleware_stack")
def through_opentelemetry(original: Any) -> Any:
    from monagent.integrations import _otel  # Only who asks for it pays for OpenTelemetry.

    return _otel.fastapi_stack(original)
