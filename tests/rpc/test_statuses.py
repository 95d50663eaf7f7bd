"""gRPC with threads: calls whose status is not what the handler has said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

from tests.rpc.numbers import Numbers
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
