"""Calls that wait for a connection of httpcore's pool, or of httpcore2's: what they wait by, and
when one has its connection."""

from __future__ import annotations

import sys

from monagent import guard
from monagent.clock import perf_counter
from monagent.conventions._http_pools import Wait, _forks
from monagent.conventions._peers import Peer
from monagent.integrations._http_client import failed
from monagent.integrations._httpcore import peer_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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

    def told(stream: Any) -> None:
        try:
            waited = getattr(getattr(stream, kept), "_monagent", None)
            if waited is not None:
                waited.got()
        except BaseException as error:
            failed(library, error)

    if _parameters(original) == ("self", "stream", "pool_request", "pool"):
        # By these names it takes a seventh of the time: each call has one.
        def __init__(self: Any, stream: Any, pool_request: Any, pool: Any) -> None:
            original(self, stream, pool_request, pool)
            if _woken[0]:
                told(self)

        return __init__

    def by_any_names(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if _woken[0]:
            told(self)

    return by_any_names


def _parameters(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & 0x0C or code.co_kwonlyargcount:  # *args, **kwargs
        return ()
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names


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
            call._monagent = queued = Queued(peer_of(call.request.url.origin))
            return queued
        frame = frame.f_back
    return None


_WRAPPERS = 4  # A tracer that wraps the same function puts a frame or two in between.
