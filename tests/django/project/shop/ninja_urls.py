"""Operations of django-ninja."""

from __future__ import annotations

from typing import Any

from django.urls import path
from ninja import NinjaAPI, Router
from ninja.errors import HttpError

api = NinjaAPI(urls_namespace="tested")
router = Router()


@router.get("/{int:pk}")
def item(request: Any, pk: int) -> int:
    return pk


@router.get("/later/{pk}")
async def later(request: Any, pk: int) -> int:
    return pk


@api.get("/fails/{kind}")
def fails(request: Any, kind: str) -> None:
    raise {
        "value": ValueError("found"),
        "http": HttpError(418, "teapot"),
        "down": HttpError(503, "down"),
        "handled": ZeroDivisionError(),
    }[kind]


@api.exception_handler(ZeroDivisionError)
def handled(request: Any, raised: Any) -> Any:
    return api.create_response(request, "handled", status=502)


try:
    from ninja.throttling import SimpleRateThrottle
except ImportError:
    pass
else:

    class Few(SimpleRateThrottle):
        def get_cache_key(self, request: Any) -> str:
            return "client"

    @api.get("/limited", throttle=[Few("2/h"), Few("100/h")])
    def limited(request: Any) -> str:
        return "in"

    @api.get("/limited/later", throttle=[Few("2/h")])
    async def limited_later(request: Any) -> str:
        return "in"


api.add_router("/items", router)
urlpatterns = [path("api/", api.urls)]
