"""Views of Django REST framework."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from rest_framework.decorators import action, api_view
from rest_framework.exceptions import APIException, NotFound
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.throttling import ScopedRateThrottle, SimpleRateThrottle
from rest_framework.views import APIView, exception_handler
from rest_framework.viewsets import ViewSet


def handled(raised: Exception, context: Any) -> Any:
    """Answers for what the framework would not."""
    if isinstance(raised, ArithmeticError):
        return Response("handled", status=502)
    return exception_handler(raised, context)


class Limit(SimpleRateThrottle):
    THROTTLE_RATES = {"few": "2/hour", "many": "100/hour"}

    def get_cache_key(self, request: Any, view: Any) -> str:
        return f"{self.scope}-client"


class Few(Limit):
    scope = "few"


class Many(Limit):
    scope = "many"


class Broken(Limit):
    scope = "few"

    def get_cache_key(self, request: Any, view: Any) -> str:
        raise ConnectionError


class Scoped(ScopedRateThrottle):
    THROTTLE_RATES = {"few": "2/hour"}


class Items(ViewSet):
    def retrieve(self, request: Any, pk: str, **_: Any) -> Response:
        return Response(pk)

    @action(detail=True)
    def parts(self, request: Any, pk: str, **_: Any) -> Response:
        return Response(pk)


class Fails(APIView):
    def get(self, request: Any, kind: str) -> Response:
        raise {
            "value": ValueError("found"),
            "own": APIException("down"),
            "missing": NotFound(),
            "handled": ZeroDivisionError(),
        }[kind]


class Limited(APIView):
    throttle_scope = ""

    def get(self, request: Any) -> Response:
        return Response("in")


class Choosing(APIView):
    """Chooses its throttles by the request; whoever asks it twice gets two more."""

    throttle_classes = [Many]
    asked = 0

    def get_throttles(self) -> Any:
        self.asked += 1
        assert "get_throttles" not in vars(self)
        return {
            "few": [Few() for _ in range(self.asked)],
            "lazy": (Few() for _ in range(self.asked)),
            "none": [],
            "nothing": iter(()),
        }[self.kwargs["kind"]]

    def get(self, request: Any, kind: str) -> Response:
        return Response([self.asked, sorted(vars(self))])


@api_view(["GET"])
def function(request: Any) -> Response:
    return Response("of a function")


router = DefaultRouter()
router.register("items", Items, basename="item")
urlpatterns = [
    path("v1/", include(router.urls)),
    path("fails/<kind>", Fails.as_view()),
    path("function", function),
    path("limited", Limited.as_view(throttle_classes=[Many, Few])),
    path("scoped", Limited.as_view(throttle_classes=[Scoped], throttle_scope="few")),
    path("chosen/<kind>", Choosing.as_view()),
    path("bare/<kind>", Choosing.as_view(throttle_classes=[])),
    path("broken", Limited.as_view(throttle_classes=[Broken])),
]
