"""Django Channels: the routes of WebSockets and requests that its routers hand on.

A router tries its routes one after the other, and the one that takes the connection is the last
it has looked at. So each is told when the router comes to it, and nothing is matched twice.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace
from monagent.integrations import _asgi
from monagent.integrations._django import templates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from monagent.conventions._exchange import Exchange
    from monagent.integrations._asgi_request import Receive, Scope, Send

LIBRARY = Library(
    "channels",
    versions=">=4.0",
    records=("http", "realtime"),
    needs=("django",),
    covers="WebSockets and requests of consumers, by the patterns of all routers on the way",
)

EVERYTHING = ("", "^", ".*", "^.*", "^.*$")
"""Expressions of routes that take what no other has: no template."""


@replace("channels.routing", "ProtocolTypeRouter.__call__")
def protocols(original: Any) -> Any:
    return _asgi.framework(original)


@replace("channels.routing", "URLRouter.__call__")
def router(original: Any) -> Any:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        telling = self
        try:
            exchange = scope.get(KEY)
            if exchange is not None:
                telling = object.__new__(type(self))
                vars(telling).update(vars(self))
                telling.routes = Routes(self.routes, exchange, "path_remaining" in scope)
        except BaseException as error:
            telling = self
            http.failed(error)
        return await original(telling, scope, receive, send)

    return __call__


class Routes(list[object]):
    """A router's routes: whoever iterates over them says in the exchange where it is."""

    def __init__(self, routes: Any, exchange: Exchange, inner: bool) -> None:
        super().__init__(routes)
        self.exchange = exchange
        self.before = exchange.route
        self.prefix = exchange.route.rstrip("/") if inner else exchange.prefix

    def __iter__(self) -> Iterator[Any]:
        for route in super().__iter__():
            self.tell(route)
            yield route
        self.tell(None)

    def tell(self, route: Any) -> None:
        """This one is tried next; None: the last was not it either."""
        try:
            if route is None or takes_everything(route.pattern):
                self.exchange.route = self.before
            else:
                self.exchange.route = self.prefix + templates[str(route.pattern)]
        except BaseException as error:
            http.failed(error)


def takes_everything(pattern: Any) -> bool:
    """Whether it is one of `re_path()`, since the same text in `path()` is the root alone."""
    return not hasattr(pattern, "_route") and str(pattern) in EVERYTHING
