"""Litestar: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, MediaType, Request, Response, WebSocket, asgi, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import HTTPException
from litestar.response import Redirect, ServerSentEvent, Stream
from litestar.static_files import create_static_files_router

SERVERS = ("uvicorn", "uvicorn-h11", "hypercorn", "granian", "gunicorn-uvicorn")
APP = "app"
ROUTES = {
    "item": "/items/{item}",
    "sub": "/sub/items/{item}",
    "static": "/static/{file_path}",
    "events": "/events",
    "socket": "/socket/{x}",
    "many": "/many/{n}/{{x}}",
}


@get("/ok", media_type=MediaType.TEXT)
async def ok() -> str:
    return "ok"


@get("/items/{item:int}", media_type=MediaType.TEXT)
async def item(request: Request[Any, Any, Any]) -> str:
    return str(request.path_params["item"])


@get("/redirect", status_code=302)
async def redirect() -> Redirect:
    return Redirect("/ok")


@get("/raise")
async def fails() -> None:
    raise ValueError


@get("/teapot")
async def teapot() -> None:
    raise HTTPException(status_code=418)


@get("/late")
async def late() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        raise ValueError

    return Stream(chunks())


@get("/stream")
async def stream() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        for letter in "bc":
            await asyncio.sleep(0.05)
            yield letter

    return Stream(chunks())


@get("/endless")
async def endless() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "more"
            await asyncio.sleep(0.01)

    return Stream(chunks())


@get("/background")
async def background() -> Response[str]:
    return Response("answered", background=BackgroundTask(asyncio.sleep, 1))


@post("/upload", status_code=200, media_type=MediaType.TEXT, request_max_body_size=None)
async def upload(request: Request[Any, Any, Any]) -> str:
    return str(len(await request.body()))


@get("/large", media_type=MediaType.TEXT)
async def large() -> str:
    return "x" * 10_000_000


@get([f"/many/{number}/{{x:str}}" for number in range(1000)], media_type=MediaType.TEXT)
async def many() -> str:
    return "many"


@get("/events")
async def events() -> ServerSentEvent:
    async def told() -> AsyncIterator[dict[str, str]]:
        yield {"event": "tick", "data": "1"}
        yield {"event": "tick", "data": "2"}

    return ServerSentEvent(told())


@websocket("/socket/{x:str}")
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close(4002)


inner = Litestar([item], openapi_config=None)


@asgi("/sub", is_mount=True, copy_scope=True)
async def sub(scope: Any, receive: Any, send: Any) -> None:
    await inner(scope, receive, send)


app = Litestar(
    [
        *(ok, item, redirect, fails, teapot, late, stream, endless),
        *(background, upload, large, many, sub, events, talk),
        create_static_files_router(path="/static", directories=["static"]),
    ],
    openapi_config=None,
)
