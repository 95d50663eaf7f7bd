"""Runs an application of Tornado's in the test's own loop, and asks it what clients ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

HEAD = "HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


def get(path: str, more: str = "", method: str = "GET") -> bytes:
    """A request without a body."""
    return f"{method} {path} {HEAD}{more}\r\n".encode()


def post(path: str, body: bytes, more: str = "") -> bytes:
    """A request with a body of a declared length."""
    return f"POST {path} {HEAD}Content-Length: {len(body)}\r\n{more}\r\n".encode() + body


def serve(app: Any, *requests: bytes | Talk, kind: Any = None, **options: Any) -> list[bytes]:
    """What the application answers to requests, each on a connection of its own.

    In place of bytes: a coroutine function that talks to the server itself.
    """
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets

    async def main() -> list[bytes]:
        server = (kind or HTTPServer)(app() if isinstance(app, type) else app, **options)
        (listening,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([listening])
        answers = []
        for request in requests:
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            if isinstance(request, bytes):
                writer.write(request)
                answers.append(await reader.read())
            else:
                await request(reader, writer)
            writer.close()
        server.stop()
        await server.close_all_connections()
        return answers

    return asyncio.run(main())


def handling(act: Callable[[Any], Any]) -> Any:
    """A handler class that does this for GET and POST."""
    from tornado.web import RequestHandler

    class Handler(RequestHandler):
        async def get(self, *_: str, **__: str) -> None:
            result = act(self)
            if result is not None:
                await result

        post = get

    return Handler


def answering(text: str = "ok") -> Any:
    """A handler class that answers."""
    return handling(lambda self: self.write(text) if text else None)
