"""How httpcore and its successor httpcore2 are watched, for the library of either name: wrappers
that keep the count of a connection on its own object."""

from __future__ import annotations

import sys

from monagent.conventions._http_pools import Connection, Pool
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
            self._monagent = Connection(peer_of(self._origin))
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


def forgotten(connection: Any) -> None:
    """The connection is closed."""
    counted = getattr(connection, "_monagent", None)
    if counted is not None:
        connection._monagent = None
        counted.close()


def peer_of(origin: Any) -> Peer:
    """The server of an origin, as httpcore has it."""
    return of(origin.scheme.decode("ascii"), origin.host.decode("ascii"), origin.port)
