"""Tornado's simple HTTP client: its connections, of which each call has one, and its queue.

A client makes `max_clients` calls at once, whomever they go to; further ones wait on the request
object that Tornado makes for each. WebSockets are not limited by it.
"""

from __future__ import annotations

from monagent import guard
from monagent.conventions import _http_pools
from monagent.conventions._http_pools import Connection, Pool
from monagent.conventions._peers import Peer, of, of_url
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WAIT = "monagent.wait"
"""On a request that is queued."""


class Wait(_http_pools.Wait):
    """A call in the queue; one whose client is dropped with its queue waits no longer."""

    __slots__ = ("_forks", "_open")

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self._forks = _http_pools._forks[0]
        self._open = True

    def over(self, reason: str | None) -> None:
        """It has ended; in a forked child those of its parent do not count."""
        self._open = False
        if self._forks == _http_pools._forks[0]:
            super().over(reason)

    def __del__(self) -> None:
        try:
            if getattr(self, "_open", False):  # not there if its making has failed
                self.over("cancelled")
        except BaseException as error:
            guard.failed("http_client", error)


def making(original: Any) -> Any:
    """Wrapper of `SimpleAsyncHTTPClient.initialize`."""

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            self._monagent = Pool(self.max_clients)
        except BaseException as error:
            failed("tornado", error)

    return initialize


def queueing(original: Any) -> Any:
    """Wrapper of `SimpleAsyncHTTPClient.fetch_impl`."""

    def fetch_impl(self: Any, request: Any, callback: Any) -> None:
        try:
            if len(self.active) >= self.max_clients:
                request.__dict__[WAIT] = Wait(of_url(request.url))
        except BaseException as error:
            failed("tornado", error)
        original(self, request, callback)

    return fetch_impl


def starting(original: Any) -> Any:
    """Wrapper of `SimpleAsyncHTTPClient._handle_request`."""

    def _handle_request(
        self: Any, request: Any, release_callback: Any, final_callback: Any
    ) -> None:
        waited(request, None)
        original(self, request, release_callback, final_callback)

    return _handle_request


def giving_up(original: Any) -> Any:
    """Wrapper of `SimpleAsyncHTTPClient._on_timeout`, of a request in the queue."""

    def _on_timeout(self: Any, key: Any, info: Any = None) -> None:
        try:
            waited(self.waiting[key][0], "pool_timeout")
        except BaseException as error:
            failed("tornado", error)
        original(self, key, info)

    return _on_timeout


def waited(request: Any, reason: str | None) -> None:
    """A request waits no longer, if it did."""
    try:
        wait = request.__dict__.pop(WAIT, None)
        if wait is not None:
            wait.over(reason)
    except BaseException as error:
        failed("tornado", error)


def connecting(original: Any) -> Any:
    """Wrapper of `_HTTPConnection._create_connection`."""

    def _create_connection(self: Any, stream: Any) -> Any:
        connection = original(self, stream)
        try:
            if self.client is not None:  # else it becomes a WebSocket
                url = self.parsed
                self._monagent = Connection(of(url.scheme, url.hostname or "", url.port))
        except BaseException as error:
            failed("tornado", error)
        return connection

    return _create_connection


def releasing(original: Any) -> Any:
    """Wrapper of `_HTTPConnection._release`: Tornado closes the connection with it."""

    def _release(self: Any) -> None:
        try:
            counted = self.__dict__.pop("_monagent", None)
            if counted is not None:
                counted.close()
        except BaseException as error:
            failed("tornado", error)
        original(self)

    return _release
