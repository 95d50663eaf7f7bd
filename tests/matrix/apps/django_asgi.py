"""Django under ASGI, with synchronous and asynchronous views."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from _django_site import configure, many, urls
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

SERVERS = ("uvicorn", "hypercorn", "granian", "gunicorn-asgi")
APP = "app"
ROUTES = {
    "item": "/items/<int:item>",
    "sub": "/sub/items/<item>",
    "static": "/static/<path>",
    "many": "/many/{n}/<x>",
}
EXCEPT = {"background": "has no background tasks"}
DIFFERS = {"http_error": {"status": 403}}  # Django has exceptions for few statuses.

configure()


async def stream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        if kind == "late":
            raise ValueError
        for letter in "bc":
            await asyncio.sleep(0.05)
            yield letter
        while kind == "endless":
            await asyncio.sleep(0.01)
            yield "more"

    return StreamingHttpResponse(chunks())


urlpatterns = [
    *urls,
    *(path(kind, stream, {"kind": kind}) for kind in ("stream", "endless", "late")),
    *many,
]
app = ASGIStaticFilesHandler(get_asgi_application())
