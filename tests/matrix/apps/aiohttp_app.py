"""aiohttp.web: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

SERVERS = ("self", "gunicorn-aiohttp")
APP = "app"
ROUTES = {
    "item": "/items/{item}",
    # The router of aiohttp tells of a path that exists for other methods no more than that.
    "sub": "/sub/items/{item}",
    "static": "/static",
    "many": "/many/{n}/{{x}}",
}

routes = web.RouteTableDef()


@routes.get("/ok")
async def ok(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


async def item(request: web.Request) -> web.StreamResponse:
    return web.Response(text=request.match_info["item"])


@routes.get("/redirect")
async def redirect(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/ok")


@routes.get("/raise")
async def fails(request: web.Request) -> web.StreamResponse:
    raise ValueError


@routes.get("/teapot")
async def teapot(request: web.Request) -> web.StreamResponse:
    class Teapot(web.HTTPClientError):
        status_code = 418

    raise Teapot


@routes.get("/late")
async def late(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"a")
    raise ValueError


@routes.get("/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"a")
    for letter in (b"b", b"c"):
        await asyncio.sleep(0.05)
        await response.write(letter)
    return response


@routes.get("/endless")
async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"more")
        await asyncio.sleep(0.01)


@routes.get("/background")
async def background(request: web.Request) -> web.StreamResponse:
    response = web.Response(text="answered")
    await response.prepare(request)
    await response.write_eof()
    await asyncio.sleep(1)
    return response


@routes.post("/upload")
async def upload(request: web.Request) -> web.StreamResponse:
    return web.Response(text=str(len(await request.read())))


@routes.get("/large")
async def large(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x" * 10_000_000)


app = web.Application()
app.add_routes(routes)
app.add_routes([web.get("/items/{item}", item), web.static("/static", "static")])
app.add_routes([web.get(f"/many/{number}/{{x}}", ok) for number in range(1000)])
sub = web.Application()
sub.add_routes([web.get("/items/{item}", item)])
app.add_subapp("/sub", sub)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: None)
