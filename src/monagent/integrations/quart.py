"""Quart: every request and connection of an application, by the rule that took it."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._asgi import framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "quart",
    versions=">=0.18",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of applications, by rule with its prefixes",
)


@replace("quart.app", "Quart.__call__")
def application(original: Any) -> Any:
    return framework(original)


@replace("quart.ctx", "_BaseRequestWebsocketContext.match_request")
def match(original: Any) -> Any:
    def match_request(self: Any) -> None:
        original(self)
        try:
            request = self.request_websocket
            exchange = request.scope[KEY]
            exchange.route = exchange.prefix + request.url_rule.rule
        except (KeyError, AttributeError, TypeError):
            pass  # Nobody measures, or no rule took the request.
        except BaseException as error:
            http.failed(error)

    return match_request


@replace("quart.app", "Quart.handle_exception")
def exception(original: Any) -> Any:
    async def handle_exception(self: Any, error: Exception) -> Any:
        try:
            raised(error)
        except BaseException as ours:
            http.failed(ours)
        return await original(self, error)

    return handle_exception


def raised(error: Exception) -> None:
    """A view has raised what no handler of the application takes; Quart makes a 500 of it."""
    import quart  # Imported already, it is running.

    exchange: Any = quart.request.scope.get(KEY)
    if exchange is not None:
        exchange.error = error_type(error)
