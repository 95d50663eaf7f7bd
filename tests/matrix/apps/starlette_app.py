"""Starlette: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

SERVERS = (
    "uvicorn",
    "uvicorn-h11",
    "hypercorn",
    "hypercorn-trio",
    "granian",
    "gunicorn-uvicorn",
    "gunicorn-asgi",
)
APP = "app"
ROUTES = {
    "item": "/items/{item}",
    "sub": "/sub/items/{item}",
    "static": "/static",
    "events": "/events",
    "socket": "/socket/{x}",
    "many": "/many/{n}/{{x}}",
}


async def ok(request: Request) -> Response:
    return PlainTextResponse("ok")


async def item(request: Request) -> Response:
    return PlainTextResponse(request.path_params["item"])


async def redirect(request: Request) -> Response:
    return RedirectResponse("/ok", 302)


async def fails(request: Request) -> Response:
    raise ValueError


async def teapot(request: Request) -> Response:
    raise HTTPException(418)


async def late(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        raise ValueError

    return StreamingResponse(chunks())


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        for letter in "bc":
            await anyio.sleep(0.05)
            yield letter

    return StreamingResponse(chunks())


async def endless(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "more"
            await anyio.sleep(0.01)

    return StreamingResponse(chunks())


async def background(request: Request) -> Response:
    return PlainTextResponse("answered", background=BackgroundTask(anyio.sleep, 1))


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def large(request: Request) -> Response:
    return PlainTextResponse("x" * 10_000_000)


async def events(request: Request) -> Response:
    async def told() -> AsyncIterator[str]:
        yield "event: tick\ndata: 1\n\n"
        yield "event: tick\ndata: 2\n\n"

    return StreamingResponse(told(), media_type="text/event-stream")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close(4002)


app = Starlette(
    routes=[
        Route("/ok", ok),
        Route("/items/{item}", item),
        Route("/redirect", redirect),
        Route("/raise", fails),
        Route("/teapot", teapot),
        Route("/late", late),
        Route("/stream", stream),
        Route("/endless", endless),
        Route("/background", background),
        Route("/upload", upload, methods=["POST"]),
        Route("/large", large),
        Route("/events", events),
        WebSocketRoute("/socket/{x}", socket),
        Mount("/sub", Starlette(routes=[Route("/items/{item}", item)])),
        Mount("/static", StaticFiles(directory="static")),
        *(Route(f"/many/{number}/{{x}}", ok) for number in range(1000)),
    ]
)
