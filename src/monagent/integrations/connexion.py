"""Connexion 3: every request of an application, by the path in its OpenAPI document.

Its middlewares ask routers of Starlette in advance, and the application inside (Flask's or
Starlette's) routes once more, in a spelling of its own: only the document's path counts.
Connexion 2 is Flask, and recorded as such.
"""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions.http import UNMATCHED, error_type
from monagent.instrument import Library, replace
from monagent.integrations._asgi import framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.integrations._asgi_request import Receive, Scope, Send

LIBRARY = Library(
    "connexion",
    versions=">=3",
    records=("http", "realtime"),
    needs=("starlette", "flask"),
    covers="requests and event streams of applications, by path of the OpenAPI document",
)

PREFIX = "monagent.connexion"
"""Under this key in the scope: what stood before the routes when Connexion got the request."""
ROUTE = "_monagent_route"


@replace("connexion.apps.abstract", "AbstractApp.__call__")
def application(original: Any) -> Any:
    return framework(original)


@replace("connexion.middleware.main", "ConnexionMiddleware.__call__")
def middleware(original: Any) -> Any:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            exchange = scope.get(KEY)
            if exchange is not None:
                scope[PREFIX] = exchange.prefix
        except BaseException as error:
            http.failed(error)
        return await original(self, scope, receive, send)

    return __call__


@replace("connexion.middleware.routing", "RoutingMiddleware.__call__")
def routing(original: Any) -> Any:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            restart(scope)  # The middleware of the documentation's pages has asked a router.
        except BaseException as error:
            http.failed(error)
        try:
            return await original(self, scope, receive, send)
        except Exception:
            try:
                refused(scope)
            except BaseException as error:
                http.failed(error)
            raise

    return __call__


@replace("connexion.middleware.routing", "RoutingAPI.make_operation")
def operation(original: Any) -> Any:
    def make_operation(self: Any, operation: Any) -> Any:
        made = original(self, operation)
        try:
            vars(made)[ROUTE] = (self.base_path or "").rstrip("/") + operation.path
        except BaseException as error:
            http.failed(error)
        return made

    return make_operation


@replace("connexion.middleware.routing", "RoutingOperation.__call__")
def route(original: Any) -> Any:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            routed(scope, vars(self).get(ROUTE))
        except BaseException as error:
            http.failed(error)
        return await original(self, scope, receive, send)

    return __call__


@replace("connexion.middleware.exceptions", "ExceptionMiddleware.common_error_handler")
def exception(original: Any) -> Any:
    def common_error_handler(_request: Any, exc: Any) -> Any:
        try:
            exchange = _request.scope.get(KEY)
            if exchange is not None:
                exchange.caught = error_type(exc)
        except BaseException as error:
            http.failed(error)
        return original(_request, exc)

    return common_error_handler


class Unheard(Exchange):
    """What the application inside tells its own words for the same route."""

    def __init__(self) -> None:
        self.prefix = ""
        self.route = UNMATCHED


def restart(scope: Scope) -> Exchange | None:
    """Forget what routers have said that were asked in advance."""
    exchange: Exchange | None = scope.get(KEY)
    if exchange is not None and PREFIX in scope:
        exchange.prefix = scope[PREFIX]
        exchange.route = exchange.prefix or UNMATCHED
    return exchange


def refused(scope: Scope) -> None:
    """Nobody may have taken the request: its path is the document's, its method is not."""
    path = getattr(scope.get("endpoint"), ROUTE, None)
    if path is not None and (exchange := restart(scope)) is not None:
        exchange.route = exchange.prefix + path


def routed(scope: Scope, path: str | None) -> None:
    """An operation of the document takes the request; without a path the application inside."""
    exchange = restart(scope)
    if exchange is not None and path is not None:
        exchange.route = exchange.prefix + path
        inside = sys.modules["connexion.middleware.routing"]._scope.get()
        inside[KEY] = Unheard()
