"""Pyramid: every request of an application, by the pattern of its route.

Where no route took a request, traversal may have found a view; the path to its resource is
unbounded, so that such a request's route is `/*traverse` and the view's name.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import measured_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "pyramid",
    versions=">=1.10",
    records=("http", "realtime"),
    covers="requests and event streams of applications, by route pattern with its prefixes",
)


@replace("pyramid.router", "Router.__call__")
def application(original: Any) -> Any:
    return measured_method(original)


@replace("pyramid.urldispatch", "RoutesMapper.__call__")
def match(original: Any) -> Any:
    def __call__(self: Any, request: Any) -> Any:
        info = original(self, request)
        try:
            exchange = request.environ[KEY]
            found = info["route"]
            if found is not None:
                exchange.route = exchange.prefix + slashed(found.pattern)
        except (KeyError, AttributeError):
            pass  # Nobody measures, or it is a request of a test's own.
        except BaseException as error:
            http.failed(error)
        return info

    return __call__


@replace("pyramid.router", "_call_view")
def view(original: Any) -> Any:
    def _call_view(
        registry: Any, request: Any, context: Any, iface: Any, name: Any, **options: Any
    ) -> Any:
        before = None
        try:
            if getattr(request, "matched_route", None) is None:
                before = traversed(request, name)
        except BaseException as error:
            http.failed(error)
        response = original(registry, request, context, iface, name, **options)
        if response is None and before is not None:
            try:
                request.environ[KEY].route = before  # There was no view.
            except BaseException as error:
                http.failed(error)
        return response

    return _call_view


# What an application within an application says of its route begins behind this one's.
@replace("pyramid.wsgi", "call_app_with_subpath_as_path_info")
def mount(original: Any) -> Any:
    def call_app_with_subpath_as_path_info(request: Any, app: Any) -> Any:
        try:
            mounted(request)
        except BaseException as error:
            http.failed(error)
        return original(request, app)

    return call_app_with_subpath_as_path_info


@replace("pyramid.router", "Router.invoke_subrequest")
def subrequest(original: Any) -> Any:
    def invoke_subrequest(self: Any, request: Any, use_tweens: Any = False) -> Any:
        try:
            request.environ.pop(KEY, None)  # A copy of the request is no way to its route.
        except BaseException as error:
            http.failed(error)
        return original(self, request, use_tweens)

    return invoke_subrequest


# An exception view has made a response of an exception.
@replace("pyramid.tweens", "_error_handler")
def error(original: Any) -> Any:
    def _error_handler(request: Any, exc: Any) -> Any:
        response = original(request, exc)
        try:
            exchange = request.environ.get(KEY)
            status = getattr(response, "status_int", 0)  # Any WSGI application may be a response.
            if exchange is not None and status >= 500 and not hasattr(exc, "code"):
                exchange.caught = error_type(exc)
        except BaseException as ours:
            http.failed(ours)
        return response

    return _error_handler


def slashed(pattern: str) -> str:
    """A pattern as Pyramid takes it: with a leading slash."""
    return pattern if pattern.startswith("/") else "/" + pattern


def traversed(request: Any, name: str) -> str | None:
    """No route took the request but maybe a view will; what its route was up to now."""
    exchange = request.environ.get(KEY)
    if exchange is None:
        return None
    before: str = exchange.route
    exchange.route = (
        f"{exchange.prefix}/*traverse/{name}" if name else exchange.prefix + "/*traverse"
    )
    return before


def mounted(request: Any) -> None:
    """The request goes on to an application that gets what lies behind the route's fixed part."""
    exchange = request.environ.get(KEY)
    if exchange is not None:
        route = getattr(request, "matched_route", None)
        name = route.pattern if route is not None else request.view_name
        exchange.mounted(slashed(name.partition("*")[0]).rstrip("/"))
