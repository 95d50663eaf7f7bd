"""aiohttp's connector: its connections, and the calls that wait for one when it is full.

The count of a connection lies on its protocol object, from the first call that gets it. A call that
waits is told by the connector's own trace signals, which are the same in all versions.
"""

from __future__ import annotations

from monagent.conventions._http_pools import Connection, Pool, Wait
from monagent.conventions._peers import Peer, of
from monagent.integrations._aiohttp_client import CALL
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Queue:
    """A trace, as applications give them, that looks at the waiting alone."""

    __slots__ = ("_peer", "waits")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.waits: Wait | None = None

    async def send_connection_queued_start(self) -> None:
        """The call has to wait."""
        try:
            if self.waits is None:
                self.waits = Wait(self._peer)
        except BaseException as error:
            failed("aiohttp", error)

    async def send_connection_queued_end(self) -> None:
        """It is given a turn; there may be another to wait for."""
        self.ended(None)

    def ended(self, error: BaseException | None) -> bool:
        """It waits no longer; whether it did."""
        wait, self.waits = self.waits, None
        try:
            if wait is not None:
                wait.end(error)
        except BaseException as ours:
            failed("aiohttp", ours)
        return wait is not None

    async def _nothing(self, *args: Any) -> None:
        """All other signals."""

    send_connection_create_start = send_connection_create_end = _nothing
    send_connection_reuseconn = _nothing
    send_dns_resolvehost_start = send_dns_resolvehost_end = _nothing
    send_dns_cache_hit = send_dns_cache_miss = _nothing


def connecting(original: Any) -> Any:
    """Wrapper of `BaseConnector.connect`."""

    async def connect(self: Any, req: Any, traces: Any, timeout: Any) -> Any:
        call = queue = None
        try:
            call = CALL.get()
            if call is not None:
                call.sends += 1
                if call.request is req:
                    call.repeats += 1
                call.request = req
            if self._limit_per_host or 0 < self._limit <= len(self._acquired):
                queue = Queue(peer_of(req))
        except BaseException as error:
            failed("aiohttp", error)
        if queue is not None:
            connection = await queued(original, self, req, traces, timeout, queue, call)
        else:
            connection = await original(self, req, traces, timeout)
        try:
            protocol = connection.protocol
            counted = getattr(protocol, "_monagent", None)
            if counted is None:
                protocol._monagent = Connection(peer_of(req))
            else:
                counted.busy()
        except BaseException as error:
            failed("aiohttp", error)
        return connection

    return connect


async def queued(
    original: Any, self: Any, req: Any, traces: Any, timeout: Any, queue: Queue, call: Any
) -> Any:
    """Get a connection of a pool that may be full."""
    try:
        return await original(self, req, [*traces, queue], timeout)
    except BaseException as error:
        if queue.ended(error) and call is not None:
            call.late = True
        raise


def giving(original: Any) -> Any:
    """Wrapper of `BaseConnector._release`."""

    def _release(self: Any, key: Any, protocol: Any, **kwargs: Any) -> Any:
        try:
            counted = getattr(protocol, "_monagent", None)
            if counted is not None:
                counted.idle()
        except BaseException as error:
            failed("aiohttp", error)
        return original(self, key, protocol, **kwargs)

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


def making(original: Any) -> Any:
    """Wrapper of `BaseConnector.__init__`."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            if self._limit > 0:
                self._monagent = Pool(self._limit)
        except BaseException as error:
            failed("aiohttp", error)

    return __init__


def peer_of(request: Any) -> Peer:
    """The server that a request goes to."""
    url = request.url
    return of(url.scheme, url.host or "", url.port)
