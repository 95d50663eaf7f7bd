"""Litestar: every request and connection of an application, by the template of its route.

The route is told in front of the route's own middleware, so that what this turns away has it too.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._asgi import framework
from monagent.integrations._stand_in import standing_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange
    from monagent.integrations._asgi_request import Message, Receive, Scope, Send

LIBRARY = Library(
    "litestar",
    versions=">=2.9",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of applications, by composed route template",
)

ROUTE = "_monagent_route"
"""At the type of a route's application, and on an exception that is raised in front of it: its
template."""


@replace("litestar.app", "Litestar.__call__")
def application(original: Any) -> Any:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await original(self, scope, receive, send)
        except Exception as error:
            try:
                if error.__cause__ is not None and KEY in scope:
                    broken(scope[KEY], error)
            except BaseException as ours:
                http.failed(ours)
            raise

    return framework(__call__)


# Called once for each handler of a route, when the application is built.
@replace("litestar._asgi.routing_trie.mapping", "build_route_middleware_stack")
def stack(original: Any) -> Any:
    def build_route_middleware_stack(app: Any, route: Any, route_handler: Any) -> Any:
        built = original(app=app, route=route, route_handler=route_handler)
        try:
            template = str(route.path_format)
            if getattr(route_handler, "is_mount", False):
                return mounting(built, "" if template == "/" else template)
            return routing(built, template)
        except BaseException as error:
            http.failed(error)
            return built

    return build_route_middleware_stack


@replace("litestar._asgi.routing_trie.traversal", "parse_node_handlers", optional=True)
def handlers(original: Any) -> Any:
    def parse_node_handlers(node: Any, method: Any) -> Any:
        try:
            return original(node=node, method=method)
        except Exception as error:
            try:
                for handler in node.asgi_handlers.values():  # None of them is for the method.
                    vars(error)[ROUTE] = vars(type(handler.asgi_app))[ROUTE]
                    break
            except BaseException as ours:
                http.failed(ours)
            raise

    return parse_node_handlers


@replace(
    "litestar.middleware._internal.exceptions.middleware",
    "ExceptionHandlerMiddleware.handle_request_exception",
)
def exception(original: Any) -> Any:
    async def handle_request_exception(
        self: Any, litestar_app: Any, scope: Scope, receive: Receive, send: Send, exc: Exception
    ) -> Any:
        try:
            if KEY in scope:
                exchange = scope[KEY]
                for raised in (exc, exc.__cause__):  # Older versions make it of another one.
                    if raised is not None and ROUTE in vars(raised):
                        exchange.routed(vars(raised)[ROUTE])
                send = telling(exchange, exc, send)
        except BaseException as error:
            http.failed(error)
        return await original(
            self, litestar_app=litestar_app, scope=scope, receive=receive, send=send, exc=exc
        )

    return handle_request_exception


def broken(exchange: Exchange, error: BaseException) -> None:
    """Something was raised after the answer had begun: Litestar raises an exception of its own
    then, once more in each layer, from the application's or from a group that holds only that."""
    within: BaseException | None = error
    while within is not None:
        error = within
        grouped: Any = getattr(error, "exceptions", ())
        if type(error).__name__ == "LitestarException":
            within = error.__cause__
        else:
            within = grouped[0] if len(grouped) == 1 else None
    exchange.over(error)


def routing(app: Any, template: str) -> Any:
    """A route's application that first says which route has taken the request."""

    def routed(scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            exchange = scope[KEY]
            exchange.route = exchange.prefix + template
        except KeyError:
            pass  # Nobody measures.
        except BaseException as error:
            http.failed(error)
        return app(scope, receive, send)

    return standing_in(app, routed, **{ROUTE: template})


def mounting(app: Any, prefix: str) -> Any:
    """A mounted application that routes on below `prefix`."""

    def mounted(scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            scope[KEY].mounted(prefix)
        except KeyError:
            pass  # Nobody measures.
        except BaseException as error:
            http.failed(error)
        return app(scope, receive, send)

    return standing_in(app, mounted)


def telling(exchange: Exchange, raised: Exception, send: Send) -> Send:
    """A `send` of the answer to an exception, which is its error if the answer is a server's."""

    async def told(message: Message) -> None:
        try:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                exchange.caught = error_type(raised)
        except BaseException as error:
            http.failed(error)
        await send(message)

    return told
