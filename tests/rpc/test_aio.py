"""gRPC on asyncio: what server and client each count of the same calls."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.rpc import service
from tests.rpc.numbers import Numbers, Outcomes
from tests.rpc.service import KINDS, stub, waiting

Scenario = Callable[[Any], Awaitable[Any]]


def with_channel(scenario: Scenario, of: Any = None, channel: Any = None, **options: Any) -> Any:
    """What the scenario returns, given a channel to a server on the same loop."""

    async def run() -> Any:
        async with service.coroutines(of, **options) as port:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", **(channel or {})) as made:
                await made.channel_ready()
                idle = len(asyncio.all_tasks())
                found = await scenario(made)
            # The core tells ends to tasks of its own.
            await until(lambda: len(asyncio.all_tasks()) <= idle)
        return found

    return asyncio.run(run())


async def call(channel: Any, method: str, wish: bytes, **options: Any) -> Any:
    """Make a call and read its answers to the end; the name of the error's code if it fails."""
    request = iter([wish]) if method.startswith("Stream") else wish
    try:
        made = stub(channel, method)(request, **options)
        if method.endswith("Stream"):
            return [answer async for answer in made]
        return await made
    except grpc.RpcError as error:
        return error.code().name


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is, at most half a minute."""
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize(
    ("wish", "code", "fault"),
    [
        (b"ok", "OK", None),
        (b"abort", "NOT_FOUND", None),
        (b"code", "INVALID_ARGUMENT", None),
        (b"raise", "UNKNOWN", "UNKNOWN"),
    ],
    ids=["ok", "abort", "code", "raise"],
)
@pytest.mark.parametrize("of", [service.Coroutines, service.Threads])
def test_a_call_ends_with_its_status_on_both_sides(
    of: Any, method: str, wish: bytes, code: str, fault: str | None, numbers: Numbers
) -> None:
    """Handlers on the loop, and plain functions in threads."""
    handlers: Any = of()
    pool = None
    if of is service.Threads:
        if wish == b"abort" and not hasattr(grpc.Server, "add_registered_method_handlers"):
            pytest.skip("threads hang for ever in abort() in versions of grpc this old")
        pool = futures.ThreadPoolExecutor(2)
    got = with_channel(lambda made: call(made, method, wish), handlers, migration_thread_pool=pool)

    assert got == (code if code != "OK" else [wish] * 3 if method.endswith("Stream") else wish)
    numbers.settled("client", {(method, code, None if code == "OK" else code): 1})
    numbers.settled("server", {(method, code, fault): 1})


@pytest.mark.parametrize("method", ["UnaryStream"])
def test_a_stream_that_breaks_ends_with_the_status_of_the_break(
    method: str, numbers: Numbers
) -> None:
    """After a message was sent."""
    assert with_channel(lambda made: call(made, method, b"late")) == "UNKNOWN"
    numbers.settled("client", {(method, "UNKNOWN", "UNKNOWN"): 1})
    numbers.settled("server", {(method, "UNKNOWN", "UNKNOWN"): 1})


@pytest.mark.parametrize("method", KINDS)
def test_a_deadline_ends_a_call_on_both_sides(method: str, numbers: Numbers) -> None:
    """With the same word, and the time until then."""
    got = with_channel(lambda made: call(made, method, b"wait", timeout=1))

    assert got == "DEADLINE_EXCEEDED"
    numbers.settled("client", {(method, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1})
    numbers.settled("server", {(method, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1})
    assert 0.9 < numbers.seconds("client") < 30
    assert 0.5 < numbers.seconds("server") < 30


@pytest.mark.parametrize("method", ["StreamUnary", "StreamStream"])
def test_a_deadline_that_passes_while_a_handler_waits_for_requests_ends_its_call(
    method: str, numbers: Numbers
) -> None:
    """Though they end for it, and it returns; one that is done before is as it says."""

    async def late(channel: Any) -> list[Any]:
        made = stub(channel, method)(timeout=0.3)
        await made.write(b"ok")
        ended = (await made.code()).name
        return [ended, await call(channel, method, b"code", timeout=60)]

    assert with_channel(late) == ["DEADLINE_EXCEEDED", "INVALID_ARGUMENT"]
    outcomes: Outcomes = {(method, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1}
    numbers.settled("server", {**outcomes, (method, "INVALID_ARGUMENT", None): 1})


@pytest.mark.parametrize("method", KINDS)
def test_a_call_that_the_client_cancels_is_cancelled(method: str, numbers: Numbers) -> None:
    """On both sides; it was active until then."""

    async def cancel(channel: Any) -> None:
        request = iter([b"wait"]) if method.startswith("Stream") else b"wait"
        waiting.clear()
        made = stub(channel, method)(request)
        await until(lambda: bool(waiting))
        assert numbers.active("client") == numbers.active("server") == 1
        made.cancel()
        await until(lambda: not numbers.active("server"))

    with_channel(cancel)

    numbers.settled("client", {(method, "CANCELLED", "CANCELLED"): 1})
    numbers.settled("server", {(method, "CANCELLED", None): 1})


def test_streams_that_are_read_and_written_by_hand_count_once(numbers: Numbers) -> None:
    """Each step a call of its own in the program, all one call on the wire."""

    async def by_hand(channel: Any) -> int:
        made = stub(channel, "StreamStream")()
        await made.write(b"ok")
        await made.done_writing()
        read = 0
        while await made.read() is not grpc.aio.EOF:
            read += 1
        return read

    assert with_channel(by_hand) == 3
    numbers.settled("client", {("StreamStream", "OK", None): 1})
    numbers.settled("server", {("StreamStream", "OK", None): 1})


def test_unknown_methods_are_one_value_on_the_server(numbers: Numbers) -> None:
    """Whatever names a scanner makes up."""

    async def scan(channel: Any) -> set[str]:
        return {await call(channel, f"Scan{number}", b"") for number in range(5)}

    assert with_channel(scan) == {"UNIMPLEMENTED"}
    numbers.settled("server", {("_OTHER", "UNIMPLEMENTED", "UNIMPLEMENTED"): 5})


def test_a_peer_that_is_not_there_is_unavailable(numbers: Numbers) -> None:
    """With its address, as the target names it."""

    async def nowhere() -> str:
        async with grpc.aio.insecure_channel("ipv4:127.0.0.1:1") as channel:
            return str(await call(channel, "UnaryUnary", b"ok"))

    assert asyncio.run(nowhere()) == "UNAVAILABLE"
    [(attributes, _)] = [
        found
        for found in numbers.series("rpc.client.call.duration")
        if found[0]["rpc.response.status_code"] == "UNAVAILABLE"
    ]
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", 1)


def test_a_call_over_a_closed_channel_is_its_error(numbers: Numbers) -> None:
    """Without a status, since there is none."""

    async def closed(channel: Any) -> None:
        made = stub(channel, "UnaryUnary")
        await channel.close()
        with pytest.raises(grpc.aio.UsageError):
            made(b"ok")

    with_channel(closed)

    [(method, code, error)] = numbers.calls("client")
    assert (method, code) == ("UnaryUnary", None)
    assert str(error).endswith("UsageError")
    assert numbers.active("client") == 0


class Doubling(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # no types
    """Calls twice."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Call once more."""
        await (await continuation(details, request))
        return await continuation(details, request)


class Refusing(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # no types
    """Refuses who says so."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """With a handler of its own."""
        if ("refuse", "me") not in [tuple(pair) for pair in details.invocation_metadata]:
            return await continuation(details)

        async def refuse(_: Any, context: Any) -> None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

        return grpc.unary_unary_rpc_method_handler(refuse)


def test_interceptors_stand_outside_on_clients_and_inside_on_servers(numbers: Numbers) -> None:
    """Each try of a client's counts, and each call that a server's refuses."""

    async def both(channel: Any) -> list[Any]:
        refused = await call(channel, "UnaryUnary", b"ok", metadata=(("refuse", "me"),))
        return [await call(channel, "UnaryUnary", b"ok"), refused]

    options = {"interceptors": [Doubling()]}
    got = with_channel(both, channel=options, interceptors=[Refusing()])

    assert got == [b"ok", "PERMISSION_DENIED"]
    outcomes: Outcomes = numbers.calls("server")
    assert outcomes == {("UnaryUnary", "OK", None): 2, ("UnaryUnary", "PERMISSION_DENIED", None): 1}
    denied = ("UnaryUnary", "PERMISSION_DENIED", "PERMISSION_DENIED")
    assert numbers.calls("client") == {("UnaryUnary", "OK", None): 2, denied: 1}


def test_channels_that_are_gone_leave_nothing_behind(numbers: Numbers) -> None:
    """A compiled channel cannot be referred to weakly, so its end is watched."""
    from monagent.integrations import _grpc_aio

    before = len(_grpc_aio._peer_of_channel)

    async def many() -> None:
        for _ in range(20):
            async with grpc.aio.insecure_channel("127.0.0.1:1"):
                pass

    asyncio.run(many())
    gc.collect()

    assert len(_grpc_aio._peer_of_channel) <= before


def test_servers_that_are_gone_take_their_handlers_with_them(numbers: Numbers) -> None:
    """And so whatever these hold."""

    async def serve() -> weakref.ref[Any]:
        of = service.Coroutines()
        async with service.coroutines(of) as port:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                assert await call(channel, "UnaryUnary", b"ok") == b"ok"
        return weakref.ref(of)

    gone = asyncio.run(serve())
    gc.collect()

    assert gone() is None
    assert numbers.calls("server") == {("UnaryUnary", "OK", None): 1}


def requests() -> Iterator[bytes]:
    """Three, at once."""
    yield from (b"ok", b"ok", b"ok")


async def slowly() -> AsyncIterator[bytes]:
    """Three, one after the other."""
    for _ in range(3):
        await asyncio.sleep(0.3)
        yield b"ok"


def test_a_stream_lasts_until_its_last_message(numbers: Numbers) -> None:
    """However slowly the requests come."""

    async def both(channel: Any) -> list[int]:
        made = stub(channel, "StreamStream")
        return [
            len([answer async for answer in made(slowly())]),
            len([answer async for answer in made(requests())]),
        ]

    assert with_channel(both) == [9, 9]
    numbers.settled("client", {("StreamStream", "OK", None): 2})
    numbers.settled("server", {("StreamStream", "OK", None): 2})
    assert numbers.seconds("client") > 0.8  # a loop may wake a millisecond early
    assert numbers.seconds("server") > 0.3
