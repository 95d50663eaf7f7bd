"""Connexion: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import connexion
from _openapi import document
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

SERVERS = ("uvicorn", "hypercorn", "granian", "gunicorn-uvicorn")
APP = "app"
ROUTES = {
    "item": "/items/{item-id}",
    "sub": "/sub/items/{item-id}",
    "many": "/many/{n}/{{x}}",
}
EXCEPT = {"static": "serves no files"}
# What handles every exception says by one of its own that a response had begun already.
DIFFERS = {"late": {"error": "RuntimeError"}}


async def ok(**parameters: str) -> Response:
    return PlainTextResponse("ok")


async def item(item_id: int) -> Response:
    return PlainTextResponse(str(item_id))


async def redirect() -> Response:
    return RedirectResponse("/ok", 302)


async def fails() -> Response:
    raise ValueError


async def teapot() -> Response:
    raise HTTPException(418)


async def late() -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        raise ValueError

    return StreamingResponse(chunks())


async def stream() -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        for letter in "bc":
            await anyio.sleep(0.06)
            yield letter

    return StreamingResponse(chunks())


async def endless() -> Response:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "more"
            await anyio.sleep(0.01)

    return StreamingResponse(chunks())


async def background() -> Response:
    return PlainTextResponse("answered", background=BackgroundTask(anyio.sleep, 1))


async def upload(body: bytes) -> Response:
    return PlainTextResponse(str(len(body)))


async def large() -> Response:
    return PlainTextResponse("x" * 10_000_000)


app = connexion.AsyncApp("tested", resolver=lambda name: globals()[name.partition(" ")[0]])
app.add_api(
    document(
        {
            "get /ok": ok,
            "get /items/{item-id}": item,
            "get /redirect": redirect,
            "get /raise": fails,
            "get /teapot": teapot,
            "get /late": late,
            "get /stream": stream,
            "get /endless": endless,
            "get /background": background,
            "post /upload": upload,
            "get /large": large,
            **{f"get /many/{number}/{{x}}": ok for number in range(1000)},
        }
    )
)
app.add_api(document({"get /items/{item-id}": item}), base_path="/sub")
