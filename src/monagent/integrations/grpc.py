"""grpc: calls served and made, sync and asyncio, of all four kinds.

A call lasts until its stream has ended. Interceptors of the application stand inside on a server
and outside on a client, so a server counts every call that arrives and a client every call that is
sent, each try of an interceptor that retries.

An asyncio server tells some ends to nobody: a call that it turns away itself, its request too large
or one too many at once, is not counted, and a stream that is cancelled while its handler waits for
requests can count as OK, since the handler returns.
"""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations import _grpc_aio, _grpc_client, _grpc_server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "grpc",
    distribution="grpcio",
    versions=">=1.49",
    records=("rpc",),
    covers="servers and clients, sync and asyncio, by the methods that services and stubs know",
)


@replace("grpc._server", "_handle_call")
def server_call(original: Any) -> Any:
    return _grpc_server.handled(original)


@replace("grpc._server", "_reject_rpc")
def server_rejection(original: Any) -> Any:
    return _grpc_server.rejected(original)


@replace("grpc._server", "_abort")
def server_abortion(original: Any) -> Any:
    return _grpc_server.aborted(original)


@replace("grpc._channel", "_UnaryUnaryMultiCallable.__call__")
@replace("grpc._channel", "_UnaryUnaryMultiCallable.with_call")
@replace("grpc._channel", "_StreamUnaryMultiCallable.__call__")
@replace("grpc._channel", "_StreamUnaryMultiCallable.with_call")
def waited_for(original: Any) -> Any:
    return _grpc_client.waited_for(original)


@replace("grpc._channel", "_UnaryUnaryMultiCallable.future")
@replace("grpc._channel", "_StreamUnaryMultiCallable.future")
@replace("grpc._channel", "_UnaryStreamMultiCallable.__call__")
@replace("grpc._channel", "_SingleThreadedUnaryStreamMultiCallable.__call__", optional=True)
@replace("grpc._channel", "_StreamStreamMultiCallable.__call__")
def under_way(original: Any) -> Any:
    return _grpc_client.under_way(original)


@replace("grpc.aio._server", "Server.__init__")
def aio_server(original: Any) -> Any:
    return _grpc_aio.server(original)


@replace("grpc.aio._channel", "Channel.__init__")
def aio_channel(original: Any) -> Any:
    return _grpc_aio.channel(original)


@replace("grpc.aio._channel", "Channel.__del__")
def aio_channel_end(original: Any) -> Any:
    return _grpc_aio.channel_end(original)


@replace("grpc.aio._call", "UnaryUnaryCall.__init__")
@replace("grpc.aio._call", "UnaryStreamCall.__init__")
@replace("grpc.aio._call", "StreamUnaryCall.__init__")
@replace("grpc.aio._call", "StreamStreamCall.__init__")
def aio_call(original: Any) -> Any:
    return _grpc_aio.call(original)
