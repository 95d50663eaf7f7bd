"""ASGI without a framework, routed by hand: nobody can know a route."""

from __future__ import annotations

import asyncio
from typing import Any

SERVERS = ("uvicorn", "uvicorn-h11", "hypercorn", "granian", "gunicorn-uvicorn", "gunicorn-asgi")
APP = "app"
ROUTES = {"*": "unmatched", "events": "unmatched", "socket": "unmatched"}
EXCEPT = {"sub": "nothing can be mounted", "static": "serves no files"}

PLAIN = {
    "/ok": (200, b"ok"),
    "/items/7": (200, b"7"),
    "/redirect": (302, b""),
    "/teapot": (418, b"teapot"),
    "/large": (200, b"x" * 10_000_000),
    "/many/999/y": (200, b"y"),
    "/background": (200, b"answered"),
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers by path."""
    if scope["type"] == "http":
        await answer(scope["method"], scope["path"], receive, send)
    elif scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/unanswered":
            raise ValueError
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close", "code": 4002})
    elif scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})


async def answer(method: str, path: str, receive: Any, send: Any) -> None:
    if path in ("/stream", "/endless", "/late", "/early", "/bodiless"):
        await chunks(path, receive, send)
    elif path == "/events":
        await start(200, [(b"content-type", b"text/event-stream")], send)
        for number in (b"1", b"2"):
            event = b"event: tick\ndata: " + number + b"\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif path == "/raise":
        raise ValueError
    elif path == "/upload":
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await whole(200, str(size).encode(), send)
    elif path in PLAIN:
        status, body = PLAIN[path] if method == "GET" else (405, b"")
        await whole(status, body, send)
        if path == "/background":
            await asyncio.sleep(1)
    else:
        await whole(404, b"none", send)


async def start(status: int, headers: list[tuple[bytes, bytes]], send: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def whole(status: int, body: bytes, send: Any) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    if status == 302:
        headers.append((b"location", b"/ok"))
    await start(status, headers, send)
    await send({"type": "http.response.body", "body": body})


async def chunks(path: str, receive: Any, send: Any) -> None:
    await start(200, [], send)
    if path == "/early":
        raise ValueError
    if path == "/bodiless":
        return
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    if path == "/late":
        raise ValueError
    for letter in (b"b", b"c"):
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": letter, "more_body": True})
    if path == "/endless":
        await endless(receive, send)
    else:
        await send({"type": "http.response.body", "body": b""})


async def endless(receive: Any, send: Any) -> None:
    """Sends until the client has left, which servers only tell those who ask."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    watching = asyncio.ensure_future(left())
    while not watching.done():
        await send({"type": "http.response.body", "body": b"more", "more_body": True})
        await asyncio.wait({watching}, timeout=0.01)
