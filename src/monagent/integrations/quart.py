"""Quart: every request and connection of an application, by the rule that took it."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._asgi import framework
from monagent.integrations._werkzeug_rules import of_other_methods

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


# Since 0.23 there is one context for all; before, AppContext matched nothing.
@replace("quart.ctx", "AppContext.match_request", optional=True)
@replace("quart.ctx", "_BaseRequestWebsocketContext.match_request", optional=True)
def match(original: Any) -> Any:
    def match_request(self: Any) -> None:
        original(self)
        try:
            name = "request_websocket"  # 0.23: with an underscore.
            request = getattr(self, name if hasattr(self, name) else "_" + name)
            exchange = request.scope[KEY]
            rule = request.url_rule
            if rule is None:
                of_other_methods(exchange, self, request)
            else:
                exchange.route = exchange.prefix + rule.rule
        except (KeyError, AttributeError, TypeError):
            pass  # Nobody measures, or it is not as we know it.
        except BaseException as error:
            http.failed(error)

    return match_request


@replace("quart.app", "Quart.handle_exception")
def exception(original: Any) -> Any:
    async def handle_exception(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            raised((*args, *kwargs.values()))
        except BaseException as error:
            http.failed(error)
        return await original(self, *args, **kwargs)

    return handle_exception


@replace("quart.app", "Quart.handle_websocket_exception")
def websocket_exception(original: Any) -> Any:
    async def handle_websocket_exception(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            raised((*args, *kwargs.values()), "websocket")
        except BaseException as error:
            http.failed(error)
        return await original(self, *args, **kwargs)

    return handle_websocket_exception


def raised(arguments: tuple[Any, ...], during: str = "request") -> None:
    """A view has raised what no handler of the application takes; Quart makes a 500 of it, or
    closes the WebSocket."""
    import quart  # Imported already, it is running.

    exchange: Any = getattr(quart, during).scope.get(KEY)
    for argument in arguments:  # Since 0.23 the context comes first.
        if exchange is not None and isinstance(argument, BaseException):
            exchange.caught = error_type(argument)
