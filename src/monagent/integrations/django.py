"""Django: every request of an application, under WSGI and ASGI, by the URL pattern that took it.

Django turns exceptions into responses inside, so their classes are read where it does that; what
its test client sends passes no server's entry and is not recorded.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions._plain import routed
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _django, _wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "django",
    versions=">=3.2",
    records=("http", "realtime"),
    covers="requests and event streams of applications, by URL pattern with all its prefixes",
)


@replace("django.core.handlers.wsgi", "WSGIHandler.__call__")
def wsgi(original: Any) -> Any:
    return _wsgi.measured_method(original)


@replace("django.core.handlers.asgi", "ASGIHandler.__call__")
def asgi(original: Any) -> Any:
    return _asgi.framework(original)


@replace("django.core.handlers.base", "BaseHandler.resolve_request")
def route(original: Any) -> Any:
    templates = _django.templates

    def resolve_request(self: Any, request: Any) -> Any:
        try:
            match = original(self, request)
        except Exception:
            unmatched(request)
            raise
        try:
            # Over WSGI META is the environ.
            if routed is None or not routed(request.META, match.route, templates):
                taken(request, match)
        except (KeyError, AttributeError, TypeError):
            pass  # Nobody measures, or a resolver of the application's own says no route.
        except BaseException as error:
            http.failed(error)
        return match

    return resolve_request


# Not the signal got_request_exception: its receivers are the application's, and are counted.
@replace("django.core.handlers.exception", "handle_uncaught_exception")
def exception(original: Any) -> Any:
    def handle_uncaught_exception(request: Any, resolver: Any, exc_info: Any) -> Any:
        try:
            exchange = _django.exchange_of(request)
            if exchange is not None:
                exchange.caught = error_type(exc_info[1])
        except BaseException as error:
            http.failed(error)
        return original(request, resolver, exc_info)

    return handle_uncaught_exception


@replace("django.contrib.staticfiles.handlers", "StaticFilesHandlerMixin.serve")
def static(original: Any) -> Any:
    def serve(self: Any, request: Any) -> Any:
        try:
            exchange = _django.exchange_of(request)
            if exchange is not None:
                exchange.routed(self.base_url.path + "<path>")
        except BaseException as error:
            http.failed(error)
        return original(self, request)

    return serve


def taken(request: Any, match: Any) -> None:
    """A pattern has taken the request."""
    facts = request.__dict__
    exchange = facts["environ" if "environ" in facts else "scope"][KEY]
    exchange.route = exchange.prefix + _django.templates[match.route]


def unmatched(request: Any) -> None:
    """No pattern takes the request; a router in front may have said what it hands on to Django."""
    try:
        exchange = _django.exchange_of(request)
        if exchange is not None:
            exchange.route = exchange.prefix or http.UNMATCHED
    except BaseException as error:
        http.failed(error)
