"""Bare ASGI applications of both generations: one path per way to answer."""

from __future__ import annotations

import asyncio
import os
from typing import Any


def start(status: int, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers by path."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await socket(scope, receive, send)
    else:
        await answer(scope, receive, send)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/plain":
        await send(start(200, (b"content-length", b"5")))
        await send(body(b"plain"))
    elif path == "/chunks":
        await send(start(200))
        for _ in range(3):
            await send(body(b"chunk", more=True))
        await send(body(b""))
    elif path == "/empty":
        await send(start(204))
        await send(body(b""))
    elif path == "/same":
        await send(start(304, (b"etag", b'"1"')))
        await send(body(b""))
    elif path == "/echo":
        received, more = b"", True
        while more:
            message = await receive()
            received += message.get("body", b"")
            more = message.get("more_body", False)
        await send(start(200, (b"content-length", b"%d" % len(received))))
        await send(body(received))
    elif path == "/fail":
        raise RuntimeError("failed before the headers")
    elif path == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
    elif path in ("/slow", "/late"):
        # A client can stay away until a file is there.
        while path == "/late" and not os.path.exists(scope["query_string"]):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        await send(start(200, (b"content-length", b"4")))
        await send(body(b"slow"))
    else:
        await send(start(404, (b"content-length", b"0")))
        await send(body(b""))


async def socket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    if scope["path"] == "/refused":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.accept", "subprotocol": "chat"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text") or ""})
        if message.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4002})
            return


def old(scope: Any) -> Any:
    """Of the second generation."""

    async def instance(receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return instance


class Old:
    """Of the second generation, a class."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await app(self.scope, receive, send)


class Callable3:
    """An object of the third."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)


called = Callable3()
