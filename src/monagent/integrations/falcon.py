"""Falcon: every request and connection of a WSGI or ASGI application, by its URI template.

Sinks and static routes have a prefix in place of a template.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._asgi import framework
from monagent.integrations._wsgi import measured_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "falcon",
    versions=">=3.0",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of WSGI and ASGI applications, by URI template",
)


@replace("falcon.app", "App.__call__")
def wsgi(original: Any) -> Any:
    made = measured_method(original)
    code = made.__code__  # Falcon calls its first parameter so, and it may be given by name.
    names = ["env" if name == "environ" else name for name in code.co_varnames]
    made.__code__ = code.replace(co_varnames=tuple(names))
    return made


@replace("falcon.asgi.app", "App.__call__")
def asgi(original: Any) -> Any:
    return framework(original)


@replace("falcon.app", "App._get_responder")
def route(original: Any) -> Any:
    def _get_responder(self: Any, req: Any) -> Any:
        found = original(self, req)
        try:
            exchange = (req.scope if self._ASGI else req.env)[KEY]
            template = found[3]
            if template is None:
                template = prefix_of(self, req.path, found[0])
            if template is not None:
                exchange.route = exchange.prefix + template
        except KeyError:
            pass  # Nobody measures.
        except BaseException as error:
            http.failed(error)
        return found

    return _get_responder


@replace("falcon.app", "App._python_error_handler")
def error_in_wsgi(original: Any) -> Any:
    def _python_error_handler(self: Any, req: Any, resp: Any, error: Any, params: Any) -> Any:
        try:
            raised(req.env, error)
        except BaseException as ours:
            http.failed(ours)
        return original(self, req, resp, error, params)

    return _python_error_handler


@replace("falcon.asgi.app", "App._python_error_handler")
def error_in_asgi(original: Any) -> Any:
    async def _python_error_handler(
        self: Any, req: Any, resp: Any, error: Any, params: Any, ws: Any = None
    ) -> Any:
        try:
            raised(req.scope, error)
        except BaseException as ours:
            http.failed(ours)
        return await original(self, req, resp, error, params, ws=ws)

    return _python_error_handler


def prefix_of(app: Any, path: str, responder: Any) -> str | None:
    """What the sink or static route was declared with that took the request, if one did."""
    for matcher, taker, is_sink in app._sink_and_static_routes:
        if taker is responder and matcher.match(path):
            template: str = matcher.pattern if is_sink else matcher._prefix + "{path}"
            return template
    return None


def raised(carrier: Any, error: BaseException) -> None:
    """A responder has raised what no handler of the application takes; Falcon makes a 500 of it."""
    exchange = carrier.get(KEY)
    if exchange is not None:
        exchange.caught = error_type(error)
