"""How httpcore and its successor httpcore2 are watched, for the library of either name: wrappers
that keep the count of a connection on its own object."""

from __future__ import annotations

import sys

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions._http_pools import Connection, Pool, Wait, _forks
from monagent.conventions._peers import Peer, of
from monagent.instrument import giving_coroutines
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def connected(library: str, original: Any) -> Any:
    """Wrapper of `HTTP11Connection.__init__` and of HTTP/2's."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            self._monagent = Connection(_peer(self._origin))
        except BaseException as error:
            failed(library, error)

    return __init__


def used(library: str, original: Any) -> Any:
    """Wrapper of `HTTP11Connection.handle_request` and of HTTP/2's."""

    def handle_request(self: Any, request: Any) -> Any:
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None:
                counted.busy()
        except BaseException as error:
            failed(library, error)
        return original(self, request)

    return handle_request


def used_async(library: str, original: Any) -> Any:
    """Wrapper of their `handle_async_request`."""

    def handle_async_request(self: Any, request: Any) -> Any:
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None:
                counted.busy()
        except BaseException as error:
            failed(library, error)
        return original(self, request)

    return giving_coroutines(handle_async_request)


def over(library: str, original: Any) -> Any:
    """Wrapper of `HTTP11Connection._response_closed`, which makes the connection idle or closes it;
    `forgotten` hears of the latter."""

    def _response_closed(self: Any) -> Any:
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None:
                counted.idle()
        except BaseException as error:
            failed(library, error)
        return original(self)

    return _response_closed


def answered(library: str, original: Any) -> Any:
    """Wrapper of `HTTP2Connection._response_closed`."""

    idle = sys.modules[original.__module__].HTTPConnectionState.IDLE  # as `is_idle` says

    def _response_closed(self: Any, **kwargs: Any) -> Any:
        result = original(self, **kwargs)
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None and self._state is idle:  # not closed, no other stream under way
                counted.idle()
        except BaseException as error:
            failed(library, error)
        return result

    return _response_closed


def answered_async(library: str, original: Any) -> Any:
    """Wrapper of `AsyncHTTP2Connection._response_closed`."""

    idle = sys.modules[original.__module__].HTTPConnectionState.IDLE  # as `is_idle` says

    async def _response_closed(self: Any, **kwargs: Any) -> Any:
        result = await original(self, **kwargs)
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None and self._state is idle:  # not closed, no other stream under way
                counted.idle()
        except BaseException as error:
            failed(library, error)
        return result

    return _response_closed


def closed(library: str, original: Any) -> Any:
    """Wrapper of their `close`."""

    def close(self: Any) -> Any:
        try:
            forgotten(self)
        except BaseException as error:
            failed(library, error)
        return original(self)

    return close


def closed_async(library: str, original: Any) -> Any:
    """Wrapper of their `aclose`."""

    def aclose(self: Any) -> Any:
        try:
            forgotten(self)
        except BaseException as error:
            failed(library, error)
        return original(self)

    return giving_coroutines(aclose)


def pool(library: str, original: Any) -> Any:
    """Wrapper of `ConnectionPool.__init__`."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            if self._max_connections < sys.maxsize:
                self._monagent = Pool(self._max_connections)
        except BaseException as error:
            failed(library, error)

    return __init__


def queued(library: str, original: Any) -> Any:
    """Wrapper of the `wait` of an event, which a call in a pool's queue comes to if it has to."""

    def wait(self: Any, timeout: Any = None) -> None:
        begun = None
        try:
            begun = waiting(sys._getframe().f_back)
        except BaseException as error:
            failed(library, error)
        try:
            original(self, timeout)
        except BaseException as error:
            try:
                if begun is not None:
                    begun.end(error)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            if begun is not None:
                begun.woken()
        except BaseException as error:
            failed(library, error)

    return wait


def queued_async(library: str, original: Any) -> Any:
    """Wrapper of the same for a coroutine."""

    async def wait(self: Any, timeout: Any = None) -> None:
        begun = None
        try:
            begun = waiting(sys._getframe().f_back)
        except BaseException as error:
            failed(library, error)
        try:
            await original(self, timeout)
        except BaseException as error:
            try:
                if begun is not None:
                    begun.end(error)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            if begun is not None:
                begun.woken()
        except BaseException as error:
            failed(library, error)

    return wait


def handed_over(library: str, original: Any) -> Any:
    """Wrapper of `PoolByteStream.__init__`, with which a call has its answer; until 1.0.2 that was
    `ConnectionPoolByteStream`."""

    kept = "_status" if original.__qualname__.startswith("Connection") else "_pool_request"

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if not _woken[0]:
            return
        try:
            waited = getattr(getattr(self, kept), "_monagent", None)
            if waited is not None:
                waited.got()
        except BaseException as error:
            failed(library, error)

    return __init__


_woken = [0]
"""How many calls a pool has woken that have no connection yet."""


class Queued(Wait):
    """A call in a pool's queue. What is woken may have been given a connection that another one is
    faster to take; then it waits again. Its wait is counted once, to when it was woken last."""

    __slots__ = ("_forks", "_until")

    def __init__(self, peer: Peer) -> None:
        self._forks = _forks[0]
        self._until = 0.0
        super().__init__(peer)

    def again(self) -> Queued:
        """It was woken in vain."""
        _woken[0] -= bool(self._until)
        self._until = 0.0
        self._cells[0](1.0)
        return self

    def woken(self) -> None:
        """It was given a connection."""
        self._cells[0](-1.0)
        self._until = perf_counter()
        _woken[0] += 1

    def got(self) -> None:
        """The connection was its own."""
        until, self._until = self._until, 0.0
        if until:
            _woken[0] -= 1
            if self._forks == _forks[0]:
                self._cells[1](until - self._begin)

    def __del__(self) -> None:  # A call that has failed on its connection.
        try:
            self.got()
        except BaseException as error:
            guard.failed("http_client", error)


def waiting(frame: Any) -> Queued | None:
    """The call of a pool's queue that waits by the function which runs in this frame, if it does;
    0.17 also asks where it has a connection."""
    for _ in range(_WRAPPERS):
        if frame is None:
            return None
        if frame.f_code.co_name == "wait_for_connection":
            call = frame.f_locals["self"]
            if call.connection is not None:
                return None
            queued = getattr(call, "_monagent", None)
            if queued is not None:
                return queued.again()  # type: ignore[no-any-return]  # what was put there
            call._monagent = queued = Queued(_peer(call.request.url.origin))
            return queued
        frame = frame.f_back
    return None


_WRAPPERS = 4  # A tracer that wraps the same function puts a frame or two in between.


def forgotten(connection: Any) -> None:
    """The connection is closed."""
    counted = getattr(connection, "_monagent", None)
    if counted is not None:
        connection._monagent = None
        counted.close()


def _peer(origin: Any) -> Peer:
    return of(origin.scheme.decode("ascii"), origin.host.decode("ascii"), origin.port)
