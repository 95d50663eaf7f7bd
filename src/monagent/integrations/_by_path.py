"""Routes for bare applications, by their paths: MONAGENT_HTTP_PATHS=normalise.

A path is a route only as long as nobody inside says another one or answers that there is none.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions._paths import route_of
from monagent.conventions.http import FRAMEWORKS, UNMATCHED
from monagent.integrations._asgi_request import paths_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from typing import Any

    from monagent.conventions._exchange import Exchange
    from monagent.integrations._asgi import App
    from monagent.integrations._asgi_request import Message, Receive, Scope, Send
    from monagent.integrations._wsgi import App as WsgiApp
    from monagent.integrations._wsgi import Environ

NOT_FOUND = 404


def bare(app: object) -> bool:
    """Whether no framework's router will say a route."""
    return FRAMEWORKS.isdisjoint(base.__module__.partition(".")[0] for base in type(app).__mro__)


def asgi(app: App, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Call the application; the request's route is its path."""
    exchange: Exchange | None = scope.get(KEY)
    named = _name(exchange, paths_of(scope)[-1])

    async def naming_send(message: Message) -> None:
        # What is no message the server will refuse.
        if hasattr(message, "get") and message.get("status") == NOT_FOUND and exchange is not None:
            _unname(exchange, named)
        await send(message)

    return app(scope, receive, naming_send if named else send)


def wsgi(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Call the application; the request's route is its path."""
    exchange: Exchange | None = environ.get(KEY)
    named = _name(exchange, environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))

    def naming_start(status: Any, headers: Any, *exc_info: Any, **by_name: Any) -> Any:
        # What is no status the server will refuse.
        if isinstance(status, str) and status[:3] == str(NOT_FOUND) and exchange is not None:
            _unname(exchange, named)
        return start_response(status, headers, *exc_info, **by_name)

    return app(environ, naming_start if named else start_response)


def _name(exchange: Exchange | None, path: str) -> str:
    try:
        if exchange is not None and exchange.route == UNMATCHED:
            exchange.route = route_of(path)
            return exchange.route
    except BaseException as error:
        http.failed(error)
    return ""


def _unname(exchange: Exchange, named: str) -> None:
    try:
        if exchange.route == named:
            exchange.route = UNMATCHED
    except BaseException as error:
        http.failed(error)
