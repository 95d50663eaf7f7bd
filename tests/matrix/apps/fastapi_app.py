"""FastAPI: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

SERVERS = ("uvicorn", "uvicorn-h11", "hypercorn", "granian", "gunicorn-uvicorn")
APP = "app"
ROUTES = {
    "item": "/items/{item}",
    "sub": "/sub/items/{item}",
    "static": "/static",
    "events": "/events",
    "socket": "/socket/{x}",
    "many": "/many/{n}/{{x}}",
}

app = FastAPI(openapi_url=None)
inner = FastAPI(openapi_url=None)
items = APIRouter(prefix="/items")


@items.get("/{item}", response_class=PlainTextResponse)
def item(item: int) -> str:
    return str(item)


app.include_router(items)
inner.include_router(items)
app.mount("/sub", inner)
app.mount("/static", StaticFiles(directory="static"))


@app.get("/ok", response_class=PlainTextResponse)
def ok() -> str:
    return "ok"


@app.get("/redirect")
def redirect() -> RedirectResponse:
    return RedirectResponse("/ok", 302)


@app.get("/raise")
def fails() -> None:
    raise ValueError


@app.get("/teapot")
def teapot() -> None:
    raise HTTPException(418)


@app.get("/late")
def late() -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        raise ValueError

    return StreamingResponse(chunks())


@app.get("/stream")
def stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        for letter in "bc":
            await asyncio.sleep(0.05)
            yield letter

    return StreamingResponse(chunks())


@app.get("/endless")
def endless() -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "more"
            await asyncio.sleep(0.01)

    return StreamingResponse(chunks())


@app.get("/background", response_class=PlainTextResponse)
def background(tasks: BackgroundTasks) -> str:
    tasks.add_task(asyncio.sleep, 1)
    return "answered"


@app.post("/upload", response_class=PlainTextResponse)
async def upload(request: Request) -> str:
    return str(len(await request.body()))


@app.get("/large", response_class=PlainTextResponse)
def large() -> str:
    return "x" * 10_000_000


@app.get("/events")
def events() -> StreamingResponse:
    async def told() -> AsyncIterator[str]:
        yield "event: tick\ndata: 1\n\n"
        yield "event: tick\ndata: 2\n\n"

    return StreamingResponse(told(), media_type="text/event-stream")


@app.websocket("/socket/{x}")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close(4002)


for number in range(1000):
    app.router.add_route(f"/many/{number}/{{x}}", lambda request: PlainTextResponse("many"))
