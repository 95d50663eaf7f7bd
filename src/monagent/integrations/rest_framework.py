"""Django REST framework: what its views make of exceptions, and the decisions of its throttles.

Requests and routes are Django's, see there.
"""

from __future__ import annotations

from monagent import guard
from monagent.conventions import http, ratelimit
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._django import exchange_of, route_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LIBRARY = Library(
    "rest_framework",
    distribution="djangorestframework",
    versions=">=3.14",
    records=("http", "ratelimit"),
    needs=("django",),
    covers="errors that an exception handler answers with a 5xx, decisions of throttles",
)


@replace("rest_framework.views", "APIView.handle_exception")
def exception(original: Any) -> Any:
    def handle_exception(self: Any, exc: Any) -> Any:
        response = original(self, exc)
        try:
            exchange = exchange_of(django_request(self.request))
            if exchange is not None and response.status_code >= 500:
                exchange.caught = error_type(exc)
        except BaseException as error:
            http.failed(error)
        return response

    return handle_exception


VIEWS = "rest_framework.views"
CHOICE = "get_throttles"


class Chosen:
    """Hides a view's own `get_throttles` until that is asked, to see whether it gives any.

    A view is of one request, and `check_throttles` asks once, before all else.
    """

    def __init__(self, view: Any) -> None:
        self.any = False
        self.view = view
        self.hidden = vars(view).get(CHOICE)  # Else it is the class's.
        self.choose = view.get_throttles
        vars(view)[CHOICE] = self.asked

    def unhide(self) -> None:
        """The view is again as it was."""
        attributes = vars(self.view)
        if attributes.get(CHOICE) == self.asked:
            del attributes[CHOICE]
            if self.hidden is not None:
                attributes[CHOICE] = self.hidden

    def asked(self) -> Any:
        """The view's `get_throttles`."""
        self.unhide()
        given = self.choose()
        if type(given) is list:
            self.any = bool(given)
            return given
        return self.each(given)

    def each(self, given: Any) -> Iterator[Any]:
        """What others give than lists can perhaps be had only once."""
        for throttle in given:
            self.any = True
            yield throttle


@replace("rest_framework.views", "APIView.check_throttles")
def throttles(original: Any) -> Any:
    def check_throttles(self: Any, request: Any) -> Any:
        chosen = None
        try:
            if type(self).get_throttles.__module__ != VIEWS:
                chosen = Chosen(self)
        except BaseException as error:
            guard.failed("rest_framework", error)
        if chosen is None and not self.throttle_classes:
            return original(self, request)
        try:
            result = original(self, request)
        except Exception as raised:
            limited = getattr(raised, "status_code", None) == 429
            decided(request, ratelimit.LIMITED if limited else ratelimit.ERROR)
            raise
        finally:
            if chosen is not None:
                chosen.unhide()
        if chosen is None or chosen.any:
            decided(request, ratelimit.ALLOWED)
        return result

    return check_throttles


@replace("rest_framework.throttling", "SimpleRateThrottle.allow_request")
def rate(original: Any) -> Any:
    def allow_request(self: Any, request: Any, view: Any) -> Any:
        allowed = original(self, request, view)
        try:
            client, most = getattr(self, "key", None), self.num_requests
            if client is not None and most:
                share = len(self.history) / most
                route = route_of(django_request(request))
                ratelimit.used(route, client, (self.scope, self.rate), share, self.duration)
        except BaseException as error:
            guard.failed("rest_framework", error)
        return allowed

    return allow_request


def decided(request: Any, decision: str) -> None:
    """All throttles of a view were asked."""
    try:
        ratelimit.decided("rest_framework", route_of(django_request(request)), decision)
    except BaseException as error:
        guard.failed("rest_framework", error)


def django_request(request: Any) -> Any:
    """Django's within the framework's; applications may also call with the former."""
    return getattr(request, "_request", request)
