"""gRPC with threads: calls whose status is not what the handler has said."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from monagent.integrations._grpc_server import status_of
from tests.rpc.numbers import Numbers, eventually
from tests.rpc.service import NAME


@contextlib.contextmanager
def served(behavior: Any, streaming: bool = False) -> Iterator[Any]:
    """A stub of the method "Odd", which this function handles."""
    made = grpc.stream_stream_rpc_method_handler if streaming else None
    handler = (made or grpc.unary_unary_rpc_method_handler)(behavior)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(NAME, {"Odd": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            kind = channel.stream_stream if streaming else channel.unary_unary
            yield kind(f"/{NAME}/Odd")
    finally:
        server.stop(None).wait(30)


@pytest.mark.parametrize("code", [0, 5, "NOT_FOUND"])
@pytest.mark.parametrize("way", ["set_code", "abort"])
def test_a_status_that_is_no_status_code_is_unknown(way: str, code: Any, numbers: Numbers) -> None:
    """As the client gets it, whatever number or word the handler gives."""

    def odd(request: bytes, context: Any) -> bytes:
        getattr(context, way)(*((code,) if way == "set_code" else (code, "no")))
        return request

    with served(odd) as call:
        with pytest.raises(grpc.RpcError) as raised:
            call(b"ok")
        assert raised.value.code() == grpc.StatusCode.UNKNOWN
        numbers.settled("server", {("Odd", "UNKNOWN", "UNKNOWN"): 1})


def test_a_stream_that_the_client_leaves_while_its_handler_waits_is_not_ok(
    numbers: Numbers,
) -> None:
    """Requests then end for the handler, which returns and sends a status that nobody gets."""
    stay = threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"ok"
        stay.wait(60)

    def chat(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield from requests

    with served(chat, streaming=True) as call:
        for _ in range(20):
            answers = call(requests())
            next(answers)
            answers.cancel()
        assert list(call(iter([b"ok"]))) == [b"ok"]
        for _ in range(10):
            with pytest.raises(grpc.RpcError):
                list(call(requests(), timeout=0.2))
        stay.set()
        eventually(lambda: not numbers.active("server"))

    assert numbers.calls("server") == {
        ("Odd", "CANCELLED", None): 20,
        ("Odd", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"): 10,
        ("Odd", "OK", None): 1,
    }


@pytest.mark.parametrize(
    ("left", "status"), [(60.0, "CANCELLED"), (-1.0, "DEADLINE_EXCEEDED")], ids=["client", "time"]
)
def test_a_status_sent_when_the_call_was_over_is_not_the_calls(left: float, status: str) -> None:
    """Whoever has ended it."""
    state = SimpleNamespace(client="cancelled", statused=True, code=None)

    assert status_of(state, SimpleNamespace(deadline=time.time() + left)) == status
