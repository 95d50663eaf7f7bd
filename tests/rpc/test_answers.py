"""Answers of an asyncio gRPC server that are serialized, or cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.rpc.numbers import Numbers, Outcomes
from tests.rpc.service import KINDS
from tests.rpc.test_aio import call, with_channel


def test_an_answer_that_cannot_be_serialized_is_the_servers_error(numbers: Numbers) -> None:
    """As that of a handler that has forgotten to return one; beside an error it is thrown away."""

    async def forgets(request: bytes, context: Any) -> None:
        if request == b"code":
            context.set_code(grpc.StatusCode.INVALID_ARGUMENT)

    def serialize(answer: Any) -> bytes:
        return bytes(memoryview(answer))

    class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # untyped
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            wanted = details.method.endswith("StreamUnary")
            make = grpc.stream_unary_rpc_method_handler if wanted else None
            make = make or grpc.unary_unary_rpc_method_handler
            return make(forgets, response_serializer=serialize)

    async def three(channel: Any) -> list[Any]:
        return [
            await call(channel, "UnaryUnary", b"ok"),
            await call(channel, "StreamUnary", b"ok"),
            await call(channel, "UnaryUnary", b"code"),
        ]

    got = with_channel(three, interceptors=[Interceptor()])

    assert got == ["UNKNOWN", "UNKNOWN", "INVALID_ARGUMENT"]
    assert numbers.calls("server") == {
        ("UnaryUnary", "UNKNOWN", "UNKNOWN"): 1,
        ("StreamUnary", "UNKNOWN", "UNKNOWN"): 1,
        ("UnaryUnary", "INVALID_ARGUMENT", None): 1,
    }


class Unserializable:
    """Handlers of each kind whose last answer no serializer takes."""

    def unary_unary(self, request: bytes, context: Any) -> None:
        """In a thread, none."""

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[Any]:
        """On the loop, one and none."""
        yield request
        yield None

    def stream_unary(self, requests: Iterator[bytes], context: Any) -> None:
        """In a thread, none."""

    def stream_stream(self, requests: Iterator[bytes], context: Any) -> Iterator[Any]:
        """In a thread, one and none."""
        yield b"ok"
        yield None


class Serializing(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # untyped
    """Gives handlers a serializer, as generated code does."""

    def __init__(self, serialize: Any) -> None:
        self.serialize = serialize

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """The same handler, with it."""
        return (await continuation(details))._replace(response_serializer=self.serialize)


def test_an_item_that_cannot_be_serialized_ends_its_call_with_what_the_client_gets(
    numbers: Numbers,
) -> None:
    """Of a stream, and of functions and generators in threads, too."""

    async def four(channel: Any) -> list[Any]:
        return [await call(channel, method, b"ok") for method in KINDS]

    interceptors = [Serializing(lambda answer: bytes(memoryview(answer)))]
    pool = futures.ThreadPoolExecutor(2)
    got = with_channel(
        four, Unserializable(), interceptors=interceptors, migration_thread_pool=pool
    )

    assert got == ["UNKNOWN"] * 4
    numbers.settled("server", {(method, "UNKNOWN", "UNKNOWN"): 1 for method in KINDS})


def test_an_answer_that_is_no_bytes_ends_its_call_with_what_the_client_gets(
    numbers: Numbers,
) -> None:
    """Where nothing serializes: text and None are sent, all else is the server's error."""
    answers = {b"none": None, b"text": "text", b"array": bytearray(b"x"), b"bytes": b"x"}

    class Raw:
        async def unary_unary(self, request: bytes, context: Any) -> Any:
            return answers[request]

        def unary_stream(self, request: bytes, context: Any) -> Iterator[Any]:
            yield answers[request]

        def stream_unary(self, requests: Iterator[bytes], context: Any) -> Any:
            return answers[next(requests)]

        stream_stream = unary_stream

    async def all_of_them(channel: Any) -> list[Any]:
        return [await call(channel, method, asked) for method in KINDS[:3] for asked in answers]

    pool = futures.ThreadPoolExecutor(2)
    got = with_channel(all_of_them, Raw(), migration_thread_pool=pool)

    single: list[Any] = [b"", b"text", "UNKNOWN", b"x"]
    assert got == [*single, [b""], [b"text"], "UNKNOWN", [b"x"], *single]
    outcomes: Outcomes = {(method, "OK", None): 3 for method in KINDS[:3]}
    outcomes |= {(method, "UNKNOWN", "UNKNOWN"): 1 for method in KINDS[:3]}
    numbers.settled("server", outcomes)


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, 0], ids=repr)
def test_an_answer_beside_a_status_of_ok_is_sent(numbers: Numbers, code: Any) -> None:
    """As that of a handler that says itself that all went well; unless it raises afterwards."""

    class Fine:
        async def unary_unary(self, request: bytes, context: Any) -> list[bytes]:
            context.set_code(code)
            if request == b"raise":
                raise ValueError("of the application")
            return [request]

        def unary_stream(self, request: bytes, context: Any) -> Iterator[list[bytes]]:
            context.set_code(code)
            yield [request]

        def stream_unary(self, requests: Iterator[bytes], context: Any) -> list[bytes]:
            context.set_code(code)
            return [b"ok"]

        stream_stream = unary_stream

    async def four(channel: Any) -> list[Any]:
        calls = (("UnaryUnary", b"ok"), ("UnaryUnary", b"raise"), ("UnaryStream", b"ok"))
        return [await call(channel, *each) for each in (*calls, ("StreamUnary", b"ok"))]

    interceptors = [Serializing(lambda answer: answer[0])]
    pool = futures.ThreadPoolExecutor(2)
    got = with_channel(four, Fine(), interceptors=interceptors, migration_thread_pool=pool)

    assert got == [b"ok", "UNKNOWN", [b"ok"], b"ok"]
    outcomes: Outcomes = {(method, "OK", None): 1 for method in KINDS[:3]}
    numbers.settled("server", {**outcomes, ("UnaryUnary", "UNKNOWN", "UNKNOWN"): 1})
