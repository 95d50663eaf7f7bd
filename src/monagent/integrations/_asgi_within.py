"""Requests that an endpoint asks an application for, with a copy of its own request's scope.

A batch of them is one request of the server: it keeps its own route, whatever they are routed to.
Only an inner answer that becomes the outer one's brings its route.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import UNMATCHED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange
    from monagent.integrations._asgi_request import Message, Receive, Scope, Send


def an_endpoint(scope: Scope) -> bool:
    """Whether a function of the program has the request: Starlette and FastAPI say so.

    Else an application stands there, which is handed the request and says its route.
    """
    exchange: Exchange | None = scope.get(KEY)
    if exchange is None:
        return False
    endpoint = scope.get("endpoint")
    if hasattr(endpoint, "__code__") or hasattr(endpoint, "__func__"):
        return is_routed(exchange)
    exchange.leads_on()
    return False


def is_routed(exchange: Exchange) -> bool:
    """Whether the request has come to its endpoint."""
    mounted = exchange.prefix or "/"  # Applications that are mounted may be functions, too.
    return exchange.route not in (UNMATCHED, mounted)


async def call(
    original: Any, app: Any, scope: Scope, receive: Receive, send: Send, inner: Exchange
) -> Any:
    """What the application does, with an exchange of its own that nobody records."""
    outer = scope[KEY]
    scope[KEY] = inner

    async def telling(message: Message) -> None:
        await send(message)
        try:
            # The server was given the very start of this answer.
            if getattr(outer, "head", None) is message:
                outer.route = inner.route
        except BaseException as error:
            http.failed(error)

    try:
        return await original(app, scope, receive, telling)
    finally:
        scope[KEY] = outer
