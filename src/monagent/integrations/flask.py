"""Flask: every request of an application, by the rule that took it."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions._plain import taken
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._werkzeug_rules import of_other_methods
from monagent.integrations._wsgi import measured_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "flask",
    versions=">=2.2",
    records=("http", "realtime"),
    covers="requests and event streams of applications, by rule with blueprint prefixes",
)


@replace("flask.app", "Flask.__call__")
def application(original: Any) -> Any:
    return measured_method(original)


# 3.2 merges the request's context into the application's.
@replace("flask.ctx", "RequestContext.match_request", optional=True)
@replace("flask.ctx", "AppContext.match_request", optional=True)
def match(original: Any) -> Any:
    def match_request(self: Any) -> None:
        original(self)
        try:
            request = self.request
            rule = request.url_rule
            if rule is None or taken is None or not taken(request.environ, rule.rule):
                routed(self, request, rule)
        except (KeyError, AttributeError, TypeError):
            pass  # Nobody measures, or it is not as we know it.
        except BaseException as error:
            http.failed(error)

    return match_request


def routed(context: Any, request: Any, rule: Any) -> None:
    """A rule has taken the request, behind mounts perhaps, or none has."""
    exchange = request.environ[KEY]
    if rule is None:
        of_other_methods(exchange, context, request)
    else:
        exchange.route = exchange.prefix + rule.rule


@replace("flask.app", "Flask.handle_exception")
def exception(original: Any) -> Any:
    def handle_exception(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(self, *args, **kwargs)  # It raises if somebody outside is to handle it.
        try:
            raised((*args, *kwargs.values()))
        except BaseException as error:
            http.failed(error)
        return response

    return handle_exception


def raised(arguments: tuple[Any, ...]) -> None:
    """A view has raised what no handler of the application takes; Flask makes a 500 of it."""
    import flask  # Imported already, it is running.

    exchange = flask.request.environ.get(KEY)
    for argument in arguments:
        if exchange is not None and isinstance(argument, BaseException):
            exchange.caught = error_type(argument)
