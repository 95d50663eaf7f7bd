"""Sanic: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import asyncio
import sys

from sanic import Blueprint, Sanic
from sanic.exceptions import SanicException
from sanic.request import Request
from sanic.response import BaseHTTPResponse, HTTPResponse, raw, redirect, text

SERVERS = ("self", "uvicorn")
APP = "app"
ROUTES = {
    "item": "/items/<item:int>",
    "sub": "/sub/items/<item:int>",
    "static": "/static/<__file_uri__:path>",
    "many": "/many/{n}/<x:str>",
}

app = Sanic("matrix", configure_logging=False)
sub = Blueprint("sub", url_prefix="/sub")


@app.get("/ok")
async def ok(request: Request) -> BaseHTTPResponse:
    return text("ok")


@app.get("/items/<item:int>")
@sub.get("/items/<item:int>")
async def item(request: Request, item: int) -> BaseHTTPResponse:
    return text(str(item))


@app.get("/redirect")
async def away(request: Request) -> BaseHTTPResponse:
    return redirect("/ok")


@app.get("/raise")
async def fails(request: Request) -> BaseHTTPResponse:
    raise ValueError


@app.get("/teapot")
async def teapot(request: Request) -> BaseHTTPResponse:
    raise SanicException("short and stout", status_code=418)


@app.get("/late")
async def late(request: Request) -> BaseHTTPResponse:
    response = await request.respond()
    await response.send("a")
    raise ValueError


@app.get("/stream")
async def stream(request: Request) -> None:
    response = await request.respond()
    await response.send("a")
    for letter in "bc":
        await asyncio.sleep(0.05)
        await response.send(letter)


@app.get("/endless")
async def endless(request: Request) -> None:
    response = await request.respond()
    for _ in range(100):  # Under ASGI nobody tells Sanic that the client has left.
        await response.send("more")
        await asyncio.sleep(0.01)


@app.get("/background")
async def background(request: Request) -> BaseHTTPResponse:
    request.app.add_task(asyncio.sleep(1))
    return text("answered")


@app.post("/upload")
async def upload(request: Request) -> BaseHTTPResponse:
    return text(str(len(request.body)))


@app.get("/large")
async def large(request: Request) -> BaseHTTPResponse:
    return raw(b"x" * 10_000_000)


async def many(request: Request, x: str) -> HTTPResponse:
    return text(x)


for number in range(1000):
    app.add_route(many, f"/many/{number}/<x:str>", name=f"many{number}")
app.static("/static", "static")
app.blueprint(sub)

if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), single_process=True, motd=False, access_log=False)
