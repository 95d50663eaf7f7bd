"""An application of aiohttp.web on a port, and a client that sees every byte of its answers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from aiohttp import web

OLD = aiohttp.__version__.startswith("3.8.")
"""Its runners know no time to wait for requests under way."""

GET = b"GET %s HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n%s\r\n"


class Site:
    """Where an application listens."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, path: str, headers: bytes = b"") -> bytes:
        """All bytes of an answer."""
        return await self.ask(GET % (path.encode(), headers))

    async def ask(self, request: bytes) -> bytes:
        """What the server sends until it closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        return answer

    async def leave(self, request: bytes, seen: bytes = b"") -> None:
        """Send, and go away when so much of the answer has come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        if seen:
            await asyncio.wait_for(reader.readuntil(seen), 30)
        writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[Site]:
    """Runs an application, or a low-level server's handler, until the block ends."""
    runner: Any
    if isinstance(app, web.Application):
        runner = web.AppRunner(app, **options)
    else:
        runner = web.ServerRunner(web.Server(app))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Site(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def body_of(answer: bytes) -> bytes:
    """The body, without the framing of chunks."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        return body
    found = b""
    while size := int(body.partition(b"\r\n")[0], 16):
        body = body.partition(b"\r\n")[2]
        found, body = found + body[:size], body[size + 2 :]
    return found


def without_date(answer: bytes) -> bytes:
    """An answer as it is at any time."""
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)
