"""FastAPI: what Starlette's integration records, with the routes of included routers in full.

FastAPI's own telemetry (0.165 and later) records into the application's meter provider, which
monagent never sets or reads: it stays as it is, and each request counts once on our endpoint.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.instrument import Library, adopt, giving_coroutines, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.integrations._asgi_request import Receive, Scope, Send

LIBRARY = Library(
    "fastapi",
    versions=">=0.100",
    records=("http", "realtime"),
    needs=("starlette",),
    covers="requests, event streams and WebSockets of applications, by composed route template",
)


# 0.137 nests included routers: only the route's effective context knows include_router's prefix.
# A route that was not included goes on to Starlette's `Route.handle`.
@replace("fastapi.routing", "APIRoute.handle", optional=True)
def route(original: Any) -> Any:
    def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        if "fastapi" in scope:
            try:
                included(scope)
            except BaseException as error:
                http.failed(error)
        return original(self, scope, receive, send)

    return giving_coroutines(handle)


@replace("fastapi.routing", "_FrontendRouteGroup.handle", optional=True)
def frontend(original: Any) -> Any:
    def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            static_files(scope, self.routes)
        except BaseException as error:
            http.failed(error)
        return original(self, scope, receive, send)

    return giving_coroutines(handle)


def included(scope: Scope) -> None:
    """A route takes the request; if a router brought it, its path is the context's."""
    exchange = scope.get(KEY)
    found = scope["fastapi"]  # Before 0.137 it may be the program's own.
    context = found.get("effective_route_context") if isinstance(found, dict) else None
    path = getattr(context, "path", None)
    if exchange is not None and path:
        exchange.routed(path)


def static_files(scope: Scope, folders: list[Any]) -> None:
    """A front end's files take the request: one route for all of them."""
    exchange = scope.get(KEY)
    context = (scope.get("fastapi") or {}).get("effective_route_context")
    if exchange is not None:
        path = getattr(context, "frontend_prefix", "")
        if len(folders) == 1:
            path += folders[0].path.rstrip("/")
        exchange.routed(path + "/{path}")


# Through the package, since the instrumentor imports it whole.
@adopt("fastapi", "FastAPI.build_middleware_stack")
def through_opentelemetry(original: Any) -> Any:
    from monagent.integrations import _otel  # Only who asks for it pays for OpenTelemetry.

    return _otel.fastapi_stack(original)
