"""Starlette: every request and connection of an application, by the route that took it.

Routes are told by the `handle` of each routing step on the request's way, so a template is
composed of what was really passed (mounts, included routers) and nothing is matched twice.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions._plain import taken
from monagent.conventions.http import error_type
from monagent.instrument import Library, giving_coroutines, replace
from monagent.integrations._asgi import framework
from monagent.integrations._bridge import handing_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.integrations._asgi_request import Receive, Scope, Send

LIBRARY = Library(
    "starlette",
    versions=">=0.27",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of applications, by composed route template",
)


@replace("starlette.applications", "Starlette.__call__")
def application(original: Any) -> Any:
    return framework(original)


@replace("starlette.routing", "Route.handle")
@replace("starlette.routing", "WebSocketRoute.handle")
def route(original: Any) -> Any:
    def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            if taken is None or not taken(scope, self.path):
                exchange = scope[KEY]
                exchange.route = exchange.prefix + self.path
        except (KeyError, AttributeError, TypeError):
            pass  # Nobody measures, or a custom route has no path.
        except BaseException as error:
            http.failed(error)
        return original(self, scope, receive, send)

    return giving_coroutines(handle)


@replace("starlette.routing", "Mount.handle")
def mount(original: Any) -> Any:
    async def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        exchange = None
        before = ""
        try:
            # A router mounted at the root says the whole route, or that there is none.
            if self.path or not hasattr(self.app, "routes"):
                exchange = scope[KEY]
                before = exchange.prefix
                exchange.mounted(self.path)
        except (KeyError, AttributeError, TypeError):
            pass  # Nobody measures, or a custom route has no path.
        except BaseException as error:
            http.failed(error)
        try:
            return await original(self, scope, receive, send)
        finally:
            # A middleware may try once more, with another path or the same.
            if exchange is not None:
                exchange.prefix = before

    return handle


@replace("starlette.responses", "StreamingResponse.__call__")
def stream(original: Any) -> Any:
    """One that breaks: middleware may end the answer as if it were whole, and raise afterwards."""

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            return await original(self, scope, receive, send)
        except Exception as error:
            try:
                broken(scope, error)
            except BaseException as ours:
                http.failed(ours)
            raise

    return __call__


def broken(scope: Scope, error: Exception) -> None:
    """A stream has raised, after its head was sent or before."""
    exchange: Any = scope.get(KEY)
    left = isinstance(error, OSError) or type(error).__name__ == "ClientDisconnect"
    # What Connexion hides its own from has no status, and there may be none.
    if getattr(exchange, "status", 0) and exchange.error is None and not left:
        exchange.error = error_type(error)


@replace("starlette.middleware.wsgi", "build_environ", optional=True)
def environ(original: Any) -> Any:
    return handing_on(original)
