"""Tornado with everything that is recorded of it, and GraphQL; it asks itself, then waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import graphql
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler, websocket_connect

SCHEMA = graphql.build_schema("type Query { a: Int } type Subscription { a: Int }")


class Item(RequestHandler):
    def get(self, item: str) -> None:
        self.finish(item)


class Fails(RequestHandler):
    def get(self) -> None:
        raise ValueError


class Away(RequestHandler):
    def get(self) -> None:
        self.redirect("/items/1")


class Limited(RequestHandler):
    def get(self) -> None:
        self.set_header("Retry-After", "2")
        self.set_status(429)


class Events(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.finish("event: tick\ndata: 1\n\n")


class Echo(WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


class Ask(RequestHandler):
    async def post(self) -> None:
        text = self.request.body.decode()
        if not text.startswith("subscription"):
            result = await graphql.graphql(SCHEMA, text, {"a": 1})
            self.finish(str(result.formatted))
            return
        stream: Any = graphql.subscribe(SCHEMA, graphql.parse(text), {"a": ticks})
        async for _ in stream if hasattr(stream, "__anext__") else await stream:
            self.finish("one")


async def ticks(*_: object) -> AsyncIterator[dict[str, int]]:
    yield {"a": 1}


async def main() -> None:
    server = HTTPServer(
        Application(
            [
                (r"/items/(?P<item>\d+)", Item),
                (r"/fails", Fails),
                (r"/away", Away),
                (r"/limited", Limited),
                (r"/events", Events),
                (r"/echo", Echo),
                (r"/graphql", Ask),
            ]
        )
    )
    (socket,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([socket])
    base = f"127.0.0.1:{socket.getsockname()[1]}"
    client = AsyncHTTPClient()
    for path in ("/items/1", "/fails", "/away", "/limited", "/events", "/none"):
        await client.fetch(f"http://{base}{path}", raise_error=False)
    with contextlib.suppress(Exception):
        await client.fetch("http://127.0.0.1:1/")
    for text in ("query Q { a }", "{", "{ b }", "subscription S { a }"):
        await client.fetch(f"http://{base}/graphql", method="POST", body=text)
    connection = await websocket_connect(f"ws://{base}/echo")
    await connection.write_message("hi")
    await connection.read_message()
    connection.close(1000)
    await asyncio.sleep(60)


asyncio.run(main())
