"""Pyramid: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPClientError, HTTPFound
from pyramid.response import Response

SERVERS = ("gunicorn", "gunicorn-gthread", "waitress", "granian-wsgi")
APP = "app"
ROUTES = {
    "item": "/items/{item}",
    "method": "/ok",
    "sub": "/sub/items/{item}",
    "static": "/static/*subpath",
    "many": "/many/{n}/{{x}}",
}
DIFFERS = {"method": {"status": 404}}


class Teapot(HTTPClientError):
    code = 418
    title = "Teapot"


class Working:
    """A body with work to do once it is sent."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"answered"

    def close(self) -> None:
        time.sleep(1)


def ok(request: Any) -> Response:
    return Response("ok")


def item(request: Any) -> Response:
    return Response(request.matchdict["item"])


def redirect(request: Any) -> Response:
    raise HTTPFound("/ok")


def fails(request: Any) -> Response:
    raise ValueError


def teapot(request: Any) -> Response:
    raise Teapot


def background(request: Any) -> Response:
    return Response(app_iter=Working(), content_length=8)


def upload(request: Any) -> Response:
    return Response(str(len(request.body)))


def large(request: Any) -> Response:
    return Response(b"x" * 10_000_000)


def streamed(request: Any) -> Response:
    return Response(app_iter=chunks(request.path), content_type="text/plain")


def chunks(path: str) -> Iterator[bytes]:
    yield b"a"
    if path == "/late":
        raise ValueError
    for letter in (b"b", b"c"):
        time.sleep(0.05)
        yield letter
    while path == "/endless":
        time.sleep(0.01)
        yield b"more"


def included(config: Configurator) -> None:
    config.add_route("sub_item", "items/{item}")
    config.add_view(item, route_name="sub_item")


config = Configurator()
for name, pattern, view in (
    ("ok", "/ok", ok),
    ("item", "/items/{item}", item),
    ("redirect", "/redirect", redirect),
    ("raise", "/raise", fails),
    ("teapot", "/teapot", teapot),
    ("late", "/late", streamed),
    ("stream", "/stream", streamed),
    ("endless", "/endless", streamed),
    ("background", "/background", background),
    ("large", "/large", large),
    *((f"many{number}", f"/many/{number}/{{x}}", ok) for number in range(1000)),
):
    config.add_route(name, pattern)
    config.add_view(view, route_name=name, request_method="GET")
config.add_route("upload", "/upload")
config.add_view(upload, route_name="upload", request_method="POST")
config.include(included, route_prefix="/sub")
config.add_static_view("static", "static")
app = config.make_wsgi_app()
