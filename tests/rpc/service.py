"""One service, as threads and as asyncio serve it: every kind of call, every way to end.

What a call is to do stands in its request: `ok`, `abort`, `code`, `raise`, `wait` (until the call
is over), `lag` (as long, then an exception), or `late` (one message, then an exception).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from typing import Any

import grpc
import grpc.aio

NAME = "monagent.test.Echo"
KINDS = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")


waiting: list[bytes] = []
"""What was asked of the handlers that have begun to wait: they have their requests."""


class Threads:
    """Handlers that run in threads."""

    def wanted(self, wish: bytes, context: Any) -> None:
        """Do what the request wants done first."""
        if wish == b"abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "none here")
        if wish == b"code":
            context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
        if wish in (b"wait", b"lag"):
            over = threading.Event()
            context.add_callback(over.set)
            waiting.append(wish)
            over.wait(60)
        if wish in (b"raise", b"lag"):
            raise ValueError("of the application")

    def unary_unary(self, request: bytes, context: Any) -> bytes:
        """One for one."""
        self.wanted(request, context)
        return request

    def unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        """Three for one."""
        if request == b"late":
            yield request
            raise ValueError("of the application")
        self.wanted(request, context)
        for _ in range(3):
            yield request

    def stream_unary(self, requests: Iterator[bytes], context: Any) -> bytes:
        """One for many."""
        wishes = list(requests)
        self.wanted(wishes[0], context)
        return b"".join(wishes)

    def stream_stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """As many as there come."""
        for request in requests:
            yield from self.unary_stream(request, context)


class Coroutines:
    """Handlers that run on the loop."""

    async def wanted(self, wish: bytes, context: Any) -> None:
        """Do what the request wants done first."""
        if wish == b"abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "none here")
        if wish == b"code":
            context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
        if wish == b"raise":
            raise ValueError("of the application")
        if wish == b"wait":
            waiting.append(wish)
            await asyncio.sleep(60)

    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        """One for one."""
        await self.wanted(request, context)
        return request

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Three for one."""
        if request == b"late":
            yield request
            raise ValueError("of the application")
        await self.wanted(request, context)
        for _ in range(3):
            yield request

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """One for many."""
        wishes = [request async for request in requests]
        await self.wanted(wishes[0], context)
        return b"".join(wishes)

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """As many as there come, written by hand."""
        async for request in requests:
            await self.wanted(request, context)
            for _ in range(3):
                await context.write(request)


def handlers(of: Any) -> dict[str, grpc.RpcMethodHandler]:
    """The methods of the service, as generated code would name them."""
    return {
        "UnaryUnary": grpc.unary_unary_rpc_method_handler(of.unary_unary),
        "UnaryStream": grpc.unary_stream_rpc_method_handler(of.unary_stream),
        "StreamUnary": grpc.stream_unary_rpc_method_handler(of.stream_unary),
        "StreamStream": grpc.stream_stream_rpc_method_handler(of.stream_stream),
    }


@contextlib.contextmanager
def threads(registered: bool = False, **options: Any) -> Iterator[int]:
    """Port of a server with threads."""
    server = grpc.server(futures.ThreadPoolExecutor(8), **options)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(NAME, handlers(Threads()))]
    )
    if registered:  # As code does that was generated since 1.66.
        server.add_registered_method_handlers(NAME, handlers(Threads()))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait(30)


@contextlib.asynccontextmanager
async def coroutines(of: Any = None, **options: Any) -> AsyncIterator[int]:
    """Port of a server on the running loop."""
    server = grpc.aio.server(**options)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(NAME, handlers(of or Coroutines())),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def stub(channel: Any, method: str) -> Any:
    """What a generated stub has for a method."""
    kind = {
        "UnaryUnary": channel.unary_unary,
        "UnaryStream": channel.unary_stream,
        "StreamUnary": channel.stream_unary,
        "StreamStream": channel.stream_stream,
    }.get(method, channel.unary_unary)
    return kind(f"/{NAME}/{method}")
