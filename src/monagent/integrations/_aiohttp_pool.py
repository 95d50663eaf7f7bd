"""aiohttp's connector: its connections, and the calls that wait for one when it is full.

The count of a connection lies on its protocol object, from the first call that gets it.
"""

from __future__ import annotations

import sys

from monagent.conventions._http_pools import Connection, Pool, Wait
from monagent.conventions._peers import Peer, of
from monagent.instrument import replace_override
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TUNNEL = "_create_proxy_connection"
"""Asks a proxy for a way by a connection of its own, whose socket then is that of the call."""


class Queue:
    """A trace, as applications give them, that looks at the waiting alone: for versions before
    3.11, where one function waits and connects."""

    __slots__ = ("_peer", "_wait")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._wait: Wait | None = None

    async def send_connection_queued_start(self) -> None:
        """The call has to wait."""
        try:
            self._wait = Wait(self._peer)
        except BaseException as error:
            failed("aiohttp", error)

    async def send_connection_queued_end(self) -> None:
        """It waits no longer."""
        self.ended(None)

    def ended(self, error: BaseException | None) -> None:
        """It waits no longer, or waits in vain."""
        try:
            wait, self._wait = self._wait, None
            if wait is not None:
                wait.end(error)
        except BaseException as ours:
            failed("aiohttp", ours)

    async def _nothing(self, *args: Any) -> None:
        """All other signals."""

    send_connection_create_start = send_connection_create_end = _nothing
    send_connection_reuseconn = _nothing
    send_dns_resolvehost_start = send_dns_resolvehost_end = _nothing
    send_dns_cache_hit = send_dns_cache_miss = _nothing


def waiting(original: Any) -> Any:
    """Wrapper of `BaseConnector._wait_for_available_connection`."""

    async def _wait_for_available_connection(self: Any, key: Any, *args: Any) -> Any:
        wait = None
        try:
            wait = Wait(peer_of(key))
        except BaseException as error:
            failed("aiohttp", error)
        try:
            result = await original(self, key, *args)
        except BaseException as error:
            try:
                if wait is not None:
                    wait.end(error)
            except BaseException as ours:
                failed("aiohttp", ours)
            raise
        try:
            if wait is not None:
                wait.end()
        except BaseException as error:
            failed("aiohttp", error)
        return result

    return _wait_for_available_connection


def connecting(original: Any) -> Any:
    """Wrapper of `BaseConnector.connect` before 3.11."""

    async def connect(self: Any, req: Any, traces: Any, timeout: Any) -> Any:
        queue, told = None, traces
        try:
            queue = Queue(peer_of(req.connection_key))
            told = [*(traces or ()), queue]  # None, of who connects without a session
        except BaseException as error:
            failed("aiohttp", error)
        try:
            return await original(self, req, told, timeout)
        except BaseException as error:
            if queue is not None:
                queue.ended(error)
            raise

    return connect


def acquiring(original: Any) -> Any:
    """Wrapper of the `Connection.__init__` of aiohttp, which is made for one call."""

    def __init__(self: Any, connector: Any, key: Any, protocol: Any, loop: Any) -> None:
        original(self, connector, key, protocol, loop)
        try:
            counted = getattr(protocol, "_monagent", None)
            if counted is not None:
                counted.busy()
            elif sys._getframe(1).f_code.co_name != TUNNEL:
                protocol._monagent = Connection(peer_of(key))
        except BaseException as error:
            failed("aiohttp", error)

    return __init__


def giving(original: Any) -> Any:
    """Wrapper of `BaseConnector._release`."""

    def _release(self: Any, key: Any, protocol: Any, *, should_close: bool = False) -> Any:
        try:
            counted = getattr(protocol, "_monagent", None)
            if counted is not None:
                counted.idle()
        except BaseException as error:
            failed("aiohttp", error)
        return original(self, key, protocol, should_close=should_close)

    return _release


def closing(original: Any) -> Any:
    """Wrapper of `ResponseHandler.close`, of `abort` and of `connection_lost`."""

    def close(self: Any, *args: Any) -> Any:
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None:
                self._monagent = None
                counted.close()
        except BaseException as error:
            failed("aiohttp", error)
        return original(self, *args)

    return close


def making(original: Any, old: Callable[[Any], Any]) -> Any:
    """Wrapper of `BaseConnector.__init__`; `old` is what makes that of an old `connect`."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            if self._limit > 0:
                self._monagent = Pool(self._limit)
            if not hasattr(self, "_wait_for_available_connection"):
                for base in type(self).__mro__:
                    if base.__name__ == "BaseConnector":
                        replace_override(base, "connect", old)
        except BaseException as error:
            failed("aiohttp", error)

    return __init__


def peer_of(key: Any) -> Peer:
    """The server that a connector's key stands for."""
    return of("https" if key.is_ssl else "http", key.host, key.port)
