"""Quart: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from quart import Blueprint, Quart, Response, abort, redirect, request, websocket
from werkzeug.wrappers import Response as BaseResponse

SERVERS = ("uvicorn", "uvicorn-h11", "hypercorn", "granian", "gunicorn-uvicorn")
APP = "app"
ROUTES = {
    "item": "/items/<int:item>",
    "sub": "/sub/items/<int:item>",
    "static": "/static/<path:filename>",
    "events": "/events",
    "socket": "/socket/<x>",
    "many": "/many/{n}/<x>",
}

app = Quart(__name__)
inner = Blueprint("inner", __name__, url_prefix="/sub")


@app.get("/items/<int:item>")
@inner.get("/items/<int:item>")
async def item(item: int) -> str:
    return str(item)


app.register_blueprint(inner)


@app.get("/ok")
async def ok() -> str:
    return "ok"


@app.get("/redirect")
async def away() -> BaseResponse:
    return redirect("/ok", 302)


@app.get("/raise")
async def fails() -> str:
    raise ValueError


@app.get("/teapot")
async def teapot() -> str:
    abort(418)


@app.get("/late")
async def late() -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        raise ValueError

    return Response(chunks())


@app.get("/stream")
async def stream() -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        for letter in "bc":
            await asyncio.sleep(0.05)
            yield letter

    return Response(chunks())


@app.get("/endless")
async def endless() -> Response:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "more"
            await asyncio.sleep(0.01)

    return Response(chunks())


@app.get("/background")
async def background() -> str:
    app.add_background_task(asyncio.sleep, 1)
    return "answered"


@app.post("/upload")
async def upload() -> str:
    return str(len(await request.get_data()))


@app.get("/large")
async def large() -> str:
    return "x" * 10_000_000


@app.get("/events")
async def events() -> Response:
    async def told() -> AsyncIterator[str]:
        yield "event: tick\ndata: 1\n\n"
        yield "event: tick\ndata: 2\n\n"

    return Response(told(), content_type="text/event-stream")


@app.websocket("/socket/<x>")
async def socket(x: str) -> None:
    await websocket.send(await websocket.receive())
    await websocket.close(4002)


async def many(x: str) -> str:
    return x


for number in range(1000):
    app.add_url_rule(f"/many/{number}/<x>", f"many{number}", many)
