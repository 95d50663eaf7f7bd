"""Drives an ASGI application the way a server does, one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Message = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


def scope(
    path: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[bytes, bytes]] = (),
    kind: str = "http",
    **more: Any,
) -> dict[str, Any]:
    """A scope as uvicorn makes it."""
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 80),
        **more,
    }


async def exchange(
    app: App,
    *,
    body: Sequence[bytes] = (b"",),
    gone_after: int | None = None,
    messages: Sequence[Message] | None = None,
    **asked: Any,
) -> list[Message]:
    """What the application sends for one request.

    Args:
        body: chunks of the request's body; then the server waits, or says the client is gone.
        gone_after: the client leaves after that many messages of the application.
        messages: in place of `body`, what the server gives, one by one.
    """
    sent: list[Message] = []
    last = len(body) - 1
    given = (
        [
            {"type": "http.request", "body": chunk, "more_body": number < last}
            for number, chunk in enumerate(body)
        ]
        if messages is None
        else list(messages)
    )
    gone = asyncio.Event()
    if gone_after == 0:
        gone.set()

    async def receive() -> Message:
        if given and gone_after != 0:
            return given.pop(0)
        await gone.wait()
        return {"type": f"{asked.get('kind', 'http')}.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == gone_after:
            gone.set()
        await asyncio.sleep(0)
        # Servers say so too once the answer is whole, and Quart waits for it since 0.23.
        kind = message["type"].rpartition("http.")[2]
        whole = kind == "response.body" and not message.get("more_body")
        if whole or kind == "websocket.close":
            gone.set()

    await app(scope(**asked), receive, send)
    return sent


def run(app: App, path: str = "/", method: str = "GET", **asked: Any) -> list[Message]:
    """`exchange` from synchronous tests."""
    return asyncio.run(exchange(app, path=path, method=method, **asked))


def status(sent: list[Message]) -> int:
    """Status of an answer."""
    found: int = sent[0]["status"]
    return found


def body_of(sent: list[Message]) -> bytes:
    """Body of an answer."""
    return b"".join(message.get("body", b"") for message in sent[1:])
