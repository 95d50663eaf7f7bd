"""Falcon over ASGI: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import falcon
import falcon.asgi
from falcon.asgi import Request, Response

# granian does not tell an application that only sends that its client has left.
SERVERS = ("uvicorn", "uvicorn-h11", "hypercorn", "gunicorn-uvicorn")
APP = "app"
ROUTES = {"item": "/items/{item}", "static": "/static/{path}", "many": "/many/{n}/{{x}}"}
EXCEPT = {"sub": "nothing can be mounted"}


class Ok:
    async def on_get(self, req: Request, resp: Response, **parameters: str) -> None:
        resp.text = "ok"


class Item:
    async def on_get(self, req: Request, resp: Response, item: str) -> None:
        resp.text = item


class Redirect:
    async def on_get(self, req: Request, resp: Response) -> None:
        raise falcon.HTTPFound("/ok")


class Fails:
    async def on_get(self, req: Request, resp: Response) -> None:
        raise ValueError


class Teapot:
    async def on_get(self, req: Request, resp: Response) -> None:
        raise falcon.HTTPError(falcon.HTTP_418)


class Chunks:
    """Behind `/late`, `/stream` and `/endless`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = self.chunks(req.path)

    async def chunks(self, path: str) -> AsyncIterator[bytes]:
        yield b"a"
        if path == "/late":
            raise ValueError
        for letter in (b"b", b"c"):
            await asyncio.sleep(0.06)
            yield letter
        # Falcon does not ask whether the client is still there, so that this has an end.
        for _ in range(100 if path == "/endless" else 0):
            await asyncio.sleep(0.01)
            yield b"more"


class Background:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.text = "answered"
        resp.schedule(self.work)

    async def work(self) -> None:
        await asyncio.sleep(1)


class Upload:
    async def on_post(self, req: Request, resp: Response) -> None:
        resp.text = str(len(await req.stream.read()))


class Large:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.text = "x" * 10_000_000


app = falcon.asgi.App()
app.add_route("/ok", Ok())
app.add_route("/items/{item}", Item())
app.add_route("/redirect", Redirect())
app.add_route("/raise", Fails())
app.add_route("/teapot", Teapot())
for path in ("/late", "/stream", "/endless"):
    app.add_route(path, Chunks())
app.add_route("/background", Background())
app.add_route("/upload", Upload())
app.add_route("/large", Large())
app.add_static_route("/static", str(Path("static").resolve()))
for number in range(1000):
    app.add_route(f"/many/{number}/{{x}}", Ok())
