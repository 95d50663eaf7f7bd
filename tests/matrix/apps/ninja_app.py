"""django-ninja: operations, synchronous and asynchronous, routers, its own exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from _django_site import configure
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path

SERVERS = ("daphne",)
APP = "app"
ROUTES = {
    "item": "/items/<int:item>",
    "sub": "/sub/items/<int:item>",
    "many": "/many/{n}/<x>",
}
DIFFERS = {"ok": {"answer": b'"ok"'}}  # as JSON
EXCEPT = {
    "background": "has no background tasks",
    "static": "files are Django's",
    "late": "daphne leaves the client waiting for the rest",
}

configure()

# What follows needs settings.
from ninja import NinjaAPI, Router  # noqa: E402
from ninja.errors import HttpError  # noqa: E402

api = NinjaAPI()
sub = Router()


@api.get("/ok")
async def ok(request: HttpRequest) -> str:
    return "ok"


@api.get("/items/{int:item}")
@sub.get("/items/{int:item}")
def item(request: HttpRequest, item: int) -> int:
    return item


@api.get("/redirect")
def redirect(request: HttpRequest) -> Any:
    return HttpResponseRedirect("/ok")


@api.get("/raise")
def fails(request: HttpRequest) -> None:
    raise ValueError


@api.get("/teapot")
async def teapot(request: HttpRequest) -> None:
    raise HttpError(418, "teapot")


@api.post("/upload")
def upload(request: HttpRequest) -> int:
    return len(request.body)


@api.get("/large")
def large(request: HttpRequest) -> Any:
    return HttpResponse("x" * 10_000_000)


@api.get("/stream")
async def stream(request: HttpRequest) -> Any:
    return StreamingHttpResponse(chunks("stream"))


@api.get("/endless")
async def endless(request: HttpRequest) -> Any:
    return StreamingHttpResponse(chunks("endless"))


async def chunks(kind: str) -> AsyncIterator[str]:
    yield "a"
    for letter in "bc":
        await asyncio.sleep(0.05)
        yield letter
    while kind == "endless":
        await asyncio.sleep(0.01)
        yield "more"


def one_of_many(request: HttpRequest, x: str) -> str:
    return x


many = Router()
for number in range(1000):
    many.get(f"/{number}/{{x}}")(one_of_many)

api.add_router("/sub", sub)
api.add_router("/many", many)
urlpatterns = [path("", api.urls)]
app = get_asgi_application()
