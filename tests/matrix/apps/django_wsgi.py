"""Django under WSGI: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from _django_site import configure, many, urls
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

SERVERS = ("gunicorn", "gunicorn-gevent", "granian-wsgi", "waitress", "wsgiref")
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


def stream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    def chunks() -> Iterator[str]:
        yield "a"
        if kind == "late":
            raise ValueError
        for letter in "bc":
            time.sleep(0.05)
            yield letter
        while kind == "endless":
            time.sleep(0.01)
            yield "more"

    return StreamingHttpResponse(chunks())


urlpatterns = [
    *urls,
    *(path(kind, stream, {"kind": kind}) for kind in ("stream", "endless", "late")),
    *many,
]
app = StaticFilesHandler(get_wsgi_application())
