"""Bottle: every way to answer that the table of scenarios asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import bottle

SERVERS = ("gunicorn-gthread", "waitress", "wsgiref")
APP = "app"
ROUTES = {
    "item": "/items/<item>",
    "sub": "/sub/items/<item>",
    "static": "/static/<name:path>",
    "many": "/many/{n}/<x>",
}

app = bottle.Bottle()
sub = bottle.Bottle()


class Working:
    """A body with work to do once it is sent."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"answered"

    def close(self) -> None:
        time.sleep(1)


@app.get("/ok")
def ok(**parameters: str) -> str:
    return "ok"


@app.get("/items/<item>")
@sub.get("/items/<item>")
def item(item: str) -> str:
    return item


@app.get("/redirect")
def redirect() -> None:
    bottle.redirect("/ok", 302)


@app.get("/raise")
def fails() -> None:
    raise ValueError


@app.get("/teapot")
def teapot() -> None:
    bottle.abort(418)


@app.get("/late")
def late() -> Iterator[bytes]:
    yield b"a"
    raise ValueError


@app.get("/stream")
def stream() -> Iterator[bytes]:
    yield b"a"
    for letter in (b"b", b"c"):
        time.sleep(0.05)
        yield letter


@app.get("/endless")
def endless() -> Iterator[bytes]:
    while True:
        yield b"more"
        time.sleep(0.01)


@app.get("/background")
def background() -> Any:
    bottle.response.content_length = 8
    return Working()


@app.post("/upload")
def upload() -> str:
    return str(len(bottle.request.body.read()))


@app.get("/large")
def large() -> bytes:
    return b"x" * 10_000_000


@app.get("/static/<name:path>")
def static(name: str) -> Any:
    return bottle.static_file(name, root="static")


app.mount("/sub/", sub)
for number in range(1000):
    app.route(f"/many/{number}/<x>", callback=ok)
