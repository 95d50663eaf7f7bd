"""Django REST framework: views of classes, a router's view set, its own exceptions."""

from __future__ import annotations

from typing import Any

from _django_site import configure
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

SERVERS = ("gunicorn-gthread",)
APP = "app"
ROUTES = {
    "item": "/items/<pk>",
    "sub": "/sub/items/<pk>",
    "many": "/many/{n}/<x>",
}
DIFFERS = {"ok": {"answer": b'"ok"'}}  # as JSON
EXCEPT = {
    "background": "has no background tasks",
    "late": "streams are Django's",
    "stream": "streams are Django's",
    "abort": "streams are Django's",
    "static": "files are Django's",
}

configure("rest_framework", REST_FRAMEWORK={"UNAUTHENTICATED_USER": None})

# What follows needs settings.
from rest_framework.exceptions import APIException  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.routers import SimpleRouter  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework.viewsets import ViewSet  # noqa: E402


class Teapot(APIException):
    status_code = 418


class Ok(APIView):
    def get(self, request: Request, **_: Any) -> Response:
        return Response("ok")


class Plain(APIView):
    """Answers by what it was given in the URL pattern."""

    kind = ""

    def get(self, request: Request) -> Any:
        if self.kind == "raise":
            raise ValueError
        if self.kind == "teapot":
            raise Teapot
        if self.kind == "redirect":
            return Response(status=302, headers={"Location": "/ok"})
        return Response("x" * 10_000_000)

    def post(self, request: Request) -> Response:
        return Response(len(request.body))


class Items(ViewSet):
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(pk)


router = SimpleRouter(trailing_slash=False)
router.register("items", Items, basename="items")

urlpatterns = [
    path("ok", Ok.as_view()),
    *(
        path(kind, Plain.as_view(kind=kind))
        for kind in ("raise", "teapot", "redirect", "large", "upload")
    ),
    path("", include(router.urls)),
    path("sub/", include(router.urls)),
    *(path(f"many/{number}/<x>", Ok.as_view()) for number in range(1000)),
]
app = get_wsgi_application()
