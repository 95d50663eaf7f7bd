"""gRPC on asyncio, whose core is compiled: servers are reached by an interceptor in front of the
application's, clients by the callback that the core runs when a call is over."""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions import _peers, rpc
from monagent.integrations._grpc import SYSTEM, failed, name_of, peer_of, text
from monagent.integrations._grpc_behavior import counted
from monagent.metrics import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._peers import Peer

_peer_of_channel: dict[int, Peer] = {}
"""By id of the compiled channel, which tells its target to nobody and lives as long as its own."""

_calls: dict[tuple[Peer | None, Any], rpc.Calls] = cache()
_MOST_CALLS = 5_000

_MOST_HANDLERS = 1_000  # of a server


def server(original: Any) -> Any:
    """Around the making of a server, which gets one interceptor more."""
    base = sys.modules["grpc.aio._interceptor"].ServerInterceptor

    class Counting(base):  # type: ignore[misc, valid-type]  # the library is not known here
        """Counts every call that arrives."""

        def __init__(self) -> None:
            # By method: the application's, and ours around it. They go with their server.
            self.handlers: dict[str, tuple[Any, Any]] = {}

        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            begun = perf_counter()
            try:
                handler = await continuation(details)
            except BaseException as error:
                lost(begun, error)
                raise
            try:
                return arrived(handler, details.method, begun, self.handlers)
            except BaseException as error:
                failed(error)
                return handler

    def __init__(
        self: Any, pool: Any, handlers: Any, interceptors: Any, *args: Any, **kwargs: Any
    ) -> None:
        ours = interceptors
        try:
            ours = (Counting(), *(interceptors or ()))
        except BaseException as error:
            failed(error)
        original(self, pool, handlers, ours, *args, **kwargs)

    return __init__


def arrived(handler: Any, name: str, begun: float, handlers: dict[str, tuple[Any, Any]]) -> Any:
    """A handler that is counted, instead of the one that was found."""
    if handler is None:
        turned_away("UNIMPLEMENTED", begun)
        return None
    known = handlers.get(name)
    if known is not None and known[0] is handler:
        return known[1]
    made = counted(handler, rpc.known(text(name)))
    if known is not None or len(handlers) < _MOST_HANDLERS:
        handlers[name] = handler, made
    return made


def lost(begun: float, error: BaseException) -> None:
    """What looks for a handler, an interceptor of the application's mostly, has raised."""
    try:
        gone = type(error).__name__ == "CancelledError"
        turned_away("CANCELLED" if gone else "UNKNOWN", begun)
    except BaseException as ours:
        failed(ours)


def turned_away(status: str, begun: float) -> None:
    """No handler will see the call, of whatever method it is."""
    calls = rpc.served(SYSTEM, rpc.OTHER)
    calls.active(1.0)
    calls[status](begun)


def channel(original: Any) -> Any:
    """Around the making of a channel, for its target."""

    def __init__(self: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        original(self, target, *args, **kwargs)
        try:
            _peer_of_channel[id(self._channel)] = peer_of(target)
        except BaseException as error:
            failed(error)

    return __init__


def channel_end(original: Any) -> Any:
    """Around the end of a channel."""

    def __del__(self: Any) -> None:
        try:
            _peer_of_channel.pop(id(getattr(self, "_channel", None)), None)
        except BaseException as error:
            failed(error)
        original(self)

    return __del__


def call(original: Any) -> Any:
    """Around the making of a call, which begins it."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        begun = perf_counter()
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            try:
                calls = calls_of(args, kwargs)
                calls.active(1.0)
                calls.broke(begun, error)
            except BaseException as ours:
                failed(ours)
            raise
        try:
            calls = calls_of(args, kwargs)
            calls.mem[0][calls.at] += 1.0
            follow(self._cython_call, calls, begun)
        except BaseException as error:
            failed(error)

    return __init__


def calls_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> rpc.Calls:
    """The calls that one with these arguments belongs to."""
    channel = args[5] if len(args) > 5 else kwargs["channel"]
    method = args[6] if len(args) > 6 else kwargs["method"]
    peer = _peer_of_channel.get(id(channel))
    try:
        return _calls[peer, method]
    except KeyError:
        known = peer or _peers.peer(_peers.UNKNOWN, None)
        found = rpc.called(SYSTEM, rpc.known(text(method)), known)
        if len(_calls) < _MOST_CALLS:
            _calls[peer, method] = found
        return found


def follow(cython_call: Any, calls: rpc.Calls, begun: float) -> None:
    """Count the call when it is over. It holds what holds it until then, and no longer."""
    held = [cython_call]

    def ended() -> None:
        try:
            calls[name_of(held.pop()._status.code())](begun)
        except BaseException as error:
            failed(error)

    cython_call.add_done_callback(ended)
