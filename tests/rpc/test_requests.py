"""Calls of an asyncio gRPC server that no handler of the program gets to see."""

from __future__ import annotations

import asyncio
from concurrent import futures
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.rpc import service
from tests.rpc.numbers import Numbers, Outcomes
from tests.rpc.service import KINDS
from tests.rpc.test_aio import call, until, with_channel


class Deserializing(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # untyped
    """Gives handlers a deserializer, as generated code does."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """The same handler, with it."""

        def deserialize(request: bytes) -> bytes:
            if request == b"bad":
                raise ValueError("no message")
            return request.removeprefix(b"message ")

        return (await continuation(details))._replace(request_deserializer=deserialize)


@pytest.mark.parametrize("of", [service.Coroutines, service.Threads])
def test_a_request_that_cannot_be_deserialized_is_a_call_that_failed(
    of: Any, numbers: Numbers
) -> None:
    """Of each kind, on the loop and in threads; one that can is what the handler is given."""

    async def all_of_them(channel: Any) -> list[Any]:
        wishes = (b"message ok", b"bad")
        return [await call(channel, method, wish) for method in KINDS for wish in wishes]

    pool = futures.ThreadPoolExecutor(2)
    handlers = [Deserializing()]
    got = with_channel(all_of_them, of(), interceptors=handlers, migration_thread_pool=pool)

    one, three = [b"ok", "UNKNOWN"], [[b"ok"] * 3, "UNKNOWN"]
    assert got == [*one, *three, *one, *three]
    outcomes: Outcomes = {(method, "OK", None): 1 for method in KINDS}
    outcomes |= {(method, "UNKNOWN", "UNKNOWN"): 1 for method in KINDS}
    numbers.settled("server", outcomes)


class Raising(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # untyped
    """Lets nobody in, in no way that gRPC knows."""

    def __init__(self) -> None:
        self.waiting = 0

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """It may also take its time."""
        if details.method.endswith("StreamUnary"):
            self.waiting += 1
            await asyncio.sleep(60)
        raise PermissionError("no")


def test_an_interceptor_that_raises_or_is_cancelled_ends_a_call(numbers: Numbers) -> None:
    """Of no method, as on servers with threads: nobody has looked for it."""
    raising = Raising()

    async def three(channel: Any) -> list[Any]:
        made = service.stub(channel, "StreamUnary")(iter([b"ok"]))
        await until(lambda: raising.waiting == 1)
        made.cancel()
        return [await call(channel, method, b"ok") for method in ("UnaryUnary", "MadeUp")]

    assert with_channel(three, interceptors=[raising]) == ["UNKNOWN", "UNKNOWN"]
    outcomes = {("_OTHER", "UNKNOWN", "UNKNOWN"): 2, ("_OTHER", "CANCELLED", None): 1}
    numbers.settled("server", outcomes)
