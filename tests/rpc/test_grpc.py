"""gRPC with threads: what server and client each count of the same calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.rpc import service
from tests.rpc.numbers import Numbers, eventually
from tests.rpc.service import KINDS, stub


@pytest.fixture(params=[False, True], ids=["generic", "registered"])
def port(request: pytest.FixtureRequest, numbers: Numbers) -> Iterator[int]:
    """Of a server whose methods are known to handlers alone, or to the runtime too."""
    if request.param and not hasattr(grpc.Server, "add_registered_method_handlers"):
        pytest.skip("this version of grpc registers no methods")
    with service.threads(registered=request.param) as port:
        yield port


@pytest.fixture
def channel(port: int) -> Iterator[grpc.Channel]:
    """To that server."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(30)
        yield channel


def call(channel: grpc.Channel, method: str, wish: bytes, **options: Any) -> Any:
    """Make a call and read its answers to the end; the name of the error's code if it fails."""
    request = iter([wish]) if method.startswith("Stream") else wish
    try:
        answer = stub(channel, method)(request, **options)
        return list(answer) if method.endswith("Stream") else answer
    except grpc.RpcError as error:
        return error.code().name


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
def test_a_call_ends_with_its_status_on_both_sides(
    method: str, wish: bytes, code: str, fault: str | None, channel: Any, numbers: Numbers
) -> None:
    """A client counts every code but OK as an error, a server those that are its fault."""
    got = call(channel, method, wish)

    assert got == (code if code != "OK" else [wish] * 3 if method.endswith("Stream") else wish)
    numbers.settled("client", {(method, code, None if code == "OK" else code): 1})
    numbers.settled("server", {(method, code, fault): 1})


@pytest.mark.parametrize("method", ["UnaryStream", "StreamStream"])
def test_a_stream_that_breaks_ends_with_the_status_of_the_break(
    method: str, channel: Any, numbers: Numbers
) -> None:
    """After messages were sent."""
    assert call(channel, method, b"late") == "UNKNOWN"
    numbers.settled("client", {(method, "UNKNOWN", "UNKNOWN"): 1})
    numbers.settled("server", {(method, "UNKNOWN", "UNKNOWN"): 1})


@pytest.mark.parametrize("method", KINDS)
def test_a_deadline_ends_a_call_on_both_sides(method: str, channel: Any, numbers: Numbers) -> None:
    """With the same word, and the time until then."""
    assert call(channel, method, b"wait", timeout=1) == "DEADLINE_EXCEEDED"
    numbers.settled("client", {(method, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1})
    numbers.settled("server", {(method, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 1})
    assert 0.9 < numbers.seconds("client") < 30
    assert 0.5 < numbers.seconds("server") < 30


@pytest.mark.parametrize("method", ["UnaryStream", "StreamStream"])
def test_a_stream_that_the_client_cancels_is_cancelled(
    method: str, channel: Any, numbers: Numbers
) -> None:
    """On both sides; it was active until then."""
    request = iter([b"wait"]) if method.startswith("Stream") else b"wait"
    answers = stub(channel, method)(request)
    eventually(lambda: numbers.active("server") == 1)
    assert numbers.active("client") == numbers.active("server") == 1

    answers.cancel()

    numbers.settled("client", {(method, "CANCELLED", "CANCELLED"): 1})
    numbers.settled("server", {(method, "CANCELLED", None): 1})


def test_what_a_handler_raises_when_all_is_over_is_no_other_calls_status(
    channel: Any, numbers: Numbers
) -> None:
    """The call is cancelled and counted; a later one may get its place in memory."""
    made = stub(channel, "UnaryUnary")
    for _ in range(5):
        before = numbers.calls("server")
        service.waiting.clear()
        lagging = [made.future(b"lag") for _ in range(8)]
        # Else the server finds that a request has no message, and chooses another status.
        eventually(lambda: len(service.waiting) == 8)
        assert numbers.active("server") == 8
        for future in lagging:
            future.cancel()
        eventually(lambda: not numbers.active("server"))
        eventually(lambda was=before: numbers.calls("server") != was)  # type: ignore[misc]  # its type
        assert numbers.calls("server") != before

    for _ in range(40):
        several = [made.future(b"ok") for _ in range(8)]
        assert [future.result() for future in several] == [b"ok"] * 8

    cancelled, ok = ("UnaryUnary", "CANCELLED", None), ("UnaryUnary", "OK", None)
    numbers.settled("server", {cancelled: 40, ok: 320})


def test_a_stream_that_is_dropped_is_cancelled(channel: Any, numbers: Numbers) -> None:
    """By the library, when nobody holds it: we do not."""
    answers = stub(channel, "UnaryStream")(b"wait")
    eventually(lambda: numbers.active("server") == 1)
    del answers

    numbers.settled("client", {("UnaryStream", "CANCELLED", "CANCELLED"): 1})


def test_a_stream_without_a_thread_is_over_when_it_was_read_or_dropped(
    port: int, numbers: Numbers
) -> None:
    """A channel with this option has none that would tell: whoever reads does."""
    wanted = (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[wanted]) as channel:
        made = stub(channel, "UnaryStream")
        assert list(made(b"ok")) == [b"ok"] * 3
        dropped = made(b"wait")
        cancelled = made(b"wait")
        assert numbers.active("client") == 2
        cancelled.cancel()
        del dropped, cancelled

        counted = {("UnaryStream", "CANCELLED", "CANCELLED"): 2, ("UnaryStream", "OK", None): 1}
        numbers.settled("client", counted)


@pytest.mark.parametrize("method", ["UnaryUnary", "StreamUnary"])
def test_futures_and_with_call_count_once_each(method: str, channel: Any, numbers: Numbers) -> None:
    """A future when it is done, not when it is made."""
    made = stub(channel, method)

    def request() -> Any:
        return iter([b"ok"]) if method.startswith("Stream") else b"ok"

    answer, found = made.with_call(request())
    future = made.future(request())

    assert (answer, found.code(), future.result()) == (b"ok", grpc.StatusCode.OK, b"ok")
    numbers.settled("client", {(method, "OK", None): 2})
    numbers.settled("server", {(method, "OK", None): 2})


def test_a_future_lasts_until_it_is_done(channel: Any, numbers: Numbers) -> None:
    """Cancelled, here."""
    future = stub(channel, "UnaryUnary").future(b"wait")
    eventually(lambda: numbers.active("server") == 1)
    assert numbers.calls("client") == {}

    future.cancel()

    numbers.settled("client", {("UnaryUnary", "CANCELLED", "CANCELLED"): 1})
    numbers.settled("server", {("UnaryUnary", "CANCELLED", None): 1})


def test_a_stream_lasts_until_its_last_message(channel: Any, numbers: Numbers) -> None:
    """However slowly it is asked for: requests and answers alternate."""

    def slowly() -> Iterator[bytes]:
        for _ in range(3):
            time.sleep(0.3)
            yield b"ok"

    assert len(list(stub(channel, "StreamStream")(slowly()))) == 9
    numbers.settled("client", {("StreamStream", "OK", None): 1})
    numbers.settled("server", {("StreamStream", "OK", None): 1})
    assert numbers.seconds("client") > 0.9
    assert numbers.seconds("server") > 0.3


def test_unknown_methods_are_one_value_on_the_server(channel: Any, numbers: Numbers) -> None:
    """Whatever names a scanner makes up."""
    for number in range(5):
        assert call(channel, f"Scan{number}", b"") == "UNIMPLEMENTED"
    with pytest.raises(grpc.RpcError):
        channel.unary_unary("/no.such.Service/Method")(b"")

    numbers.settled("server", {("_OTHER", "UNIMPLEMENTED", "UNIMPLEMENTED"): 6})


def test_calls_beyond_the_limit_are_counted_as_refused(numbers: Numbers) -> None:
    """By the server, which lets no handler see them."""
    with service.threads(maximum_concurrent_rpcs=1) as port:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            held = stub(channel, "UnaryUnary").future(b"wait")
            eventually(lambda: numbers.active("server") == 1)
            assert call(channel, "UnaryUnary", b"ok") == "RESOURCE_EXHAUSTED"
            held.cancel()
            expected = {
                ("UnaryUnary", "RESOURCE_EXHAUSTED", None): 1,
                ("UnaryUnary", "CANCELLED", None): 1,
            }
            numbers.settled("server", expected)


def test_a_peer_that_is_not_there_is_unavailable(numbers: Numbers) -> None:
    """With its address, as the target names it."""
    with grpc.insecure_channel("dns:///127.0.0.1:1") as channel:
        assert call(channel, "UnaryUnary", b"ok") == "UNAVAILABLE"

    [(attributes, _)] = [
        (attributes, cells)
        for attributes, cells in numbers.series("rpc.client.call.duration")
        if attributes["rpc.response.status_code"] == "UNAVAILABLE"
    ]
    assert attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "monagent.test.Echo/UnaryUnary",
        "server.address": "127.0.0.1",
        "server.port": 1,
        "rpc.response.status_code": "UNAVAILABLE",
        "error.type": "UNAVAILABLE",
    }


def test_what_keeps_a_call_from_being_made_is_its_error(channel: Any, numbers: Numbers) -> None:
    """Without a status, since there is none."""
    with pytest.raises(TypeError):
        stub(channel, "UnaryUnary")(b"ok", metadata=7)

    assert ("UnaryUnary", None, "TypeError") in numbers.calls("client")
    assert numbers.active("client") == 0


class Doubling(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]  # grpc ships no types
    grpc.ServerInterceptor,  # type: ignore[misc]
):
    """An interceptor of the application: its client calls twice, its server refuses some."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Call once more."""
        continuation(details, request)
        return continuation(details, request)

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Refuse who says so."""
        if ("refuse", "me") in [tuple(pair) for pair in details.invocation_metadata]:

            def refuse(_: Any, context: Any) -> None:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

            return grpc.unary_unary_rpc_method_handler(refuse)
        return continuation(details)


def test_interceptors_stand_outside_on_clients_and_inside_on_servers(numbers: Numbers) -> None:
    """Each try of a client's counts, and each call that a server's refuses."""
    with service.threads(interceptors=[Doubling()]) as port:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            doubled = stub(grpc.intercept_channel(plain, Doubling()), "UnaryUnary")
            assert doubled(b"ok") == b"ok"
            metadata = [("refuse", "me")]
            assert call(plain, "UnaryUnary", b"ok", metadata=metadata) == "PERMISSION_DENIED"

            numbers.settled(
                "server",
                {("UnaryUnary", "OK", None): 2, ("UnaryUnary", "PERMISSION_DENIED", None): 1},
            )
    denied = ("UnaryUnary", "PERMISSION_DENIED", "PERMISSION_DENIED")
    assert numbers.calls("client") == {("UnaryUnary", "OK", None): 2, denied: 1}
