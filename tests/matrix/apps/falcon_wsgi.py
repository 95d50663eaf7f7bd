"""Falcon over WSGI: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import falcon
from falcon import Request, Response

SERVERS = ("gunicorn", "waitress", "granian-wsgi", "wsgiref")
APP = "app"
ROUTES = {"item": "/items/{item}", "static": "/static/{path}", "many": "/many/{n}/{{x}}"}
EXCEPT = {
    "sub": "nothing can be mounted",
    "background": "works on after the answer only under ASGI",
}


class Ok:
    def on_get(self, req: Request, resp: Response, **parameters: str) -> None:
        resp.text = "ok"


class Item:
    def on_get(self, req: Request, resp: Response, item: str) -> None:
        resp.text = item


class Redirect:
    def on_get(self, req: Request, resp: Response) -> None:
        raise falcon.HTTPFound("/ok")


class Fails:
    def on_get(self, req: Request, resp: Response) -> None:
        raise ValueError


class Teapot:
    def on_get(self, req: Request, resp: Response) -> None:
        raise falcon.HTTPError(falcon.HTTP_418)


class Chunks:
    """Behind `/late`, `/stream` and `/endless`."""

    def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = self.chunks(req.path)

    def chunks(self, path: str) -> Iterator[bytes]:
        yield b"a"
        if path == "/late":
            raise ValueError
        for letter in (b"b", b"c"):
            time.sleep(0.05)
            yield letter
        while path == "/endless":
            time.sleep(0.01)
            yield b"more"


class Upload:
    def on_post(self, req: Request, resp: Response) -> None:
        resp.text = str(len(req.bounded_stream.read()))


class Large:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.text = "x" * 10_000_000


app = falcon.App()
app.add_route("/ok", Ok())
app.add_route("/items/{item}", Item())
app.add_route("/redirect", Redirect())
app.add_route("/raise", Fails())
app.add_route("/teapot", Teapot())
for path in ("/late", "/stream", "/endless"):
    app.add_route(path, Chunks())
app.add_route("/upload", Upload())
app.add_route("/large", Large())
app.add_static_route("/static", str(Path("static").resolve()))
for number in range(1000):
    app.add_route(f"/many/{number}/{{x}}", Ok())
