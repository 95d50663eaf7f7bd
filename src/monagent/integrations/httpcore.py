"""httpcore: the connections beneath httpx, and the calls that wait for one in a full pool."""

from __future__ import annotations

import sys

from monagent.conventions._http_pools import Connection, Pool, Wait
from monagent.conventions._peers import Peer, of
from monagent.instrument import Library, replace
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "httpcore",
    versions=">=0.17,<2",
    records=("http_client",),
    covers="open connections of httpx, HTTP/1.1 and HTTP/2, and waiting in full pools",
)


@replace("httpcore._sync.http11", "HTTP11Connection.__init__")
@replace("httpcore._async.http11", "AsyncHTTP11Connection.__init__")
@replace("httpcore._sync.http2", "HTTP2Connection.__init__", optional=True)
@replace("httpcore._async.http2", "AsyncHTTP2Connection.__init__", optional=True)
def connected(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            self._monagent = Connection(_peer(self._origin))
        except BaseException as error:
            failed("httpcore", error)

    return __init__


@replace("httpcore._sync.http11", "HTTP11Connection.handle_request")
@replace("httpcore._sync.http2", "HTTP2Connection.handle_request", optional=True)
def used(original: Any) -> Any:
    def handle_request(self: Any, request: Any) -> Any:
        try:
            busy(self)
        except BaseException as error:
            failed("httpcore", error)
        return original(self, request)

    return handle_request


@replace("httpcore._async.http11", "AsyncHTTP11Connection.handle_async_request")
@replace("httpcore._async.http2", "AsyncHTTP2Connection.handle_async_request", optional=True)
def used_async(original: Any) -> Any:
    async def handle_async_request(self: Any, request: Any) -> Any:
        try:
            busy(self)
        except BaseException as error:
            failed("httpcore", error)
        return await original(self, request)

    return handle_async_request


@replace("httpcore._sync.http11", "HTTP11Connection._response_closed")
@replace("httpcore._sync.http2", "HTTP2Connection._response_closed", optional=True)
def answered(original: Any) -> Any:
    def _response_closed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            rested(self)
        except BaseException as error:
            failed("httpcore", error)
        return result

    return _response_closed


@replace("httpcore._async.http11", "AsyncHTTP11Connection._response_closed")
@replace("httpcore._async.http2", "AsyncHTTP2Connection._response_closed", optional=True)
def answered_async(original: Any) -> Any:
    async def _response_closed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        try:
            rested(self)
        except BaseException as error:
            failed("httpcore", error)
        return result

    return _response_closed


@replace("httpcore._sync.http11", "HTTP11Connection.close")
@replace("httpcore._sync.http2", "HTTP2Connection.close", optional=True)
def closed(original: Any) -> Any:
    def close(self: Any) -> Any:
        try:
            forgotten(self)
        except BaseException as error:
            failed("httpcore", error)
        return original(self)

    return close


@replace("httpcore._async.http11", "AsyncHTTP11Connection.aclose")
@replace("httpcore._async.http2", "AsyncHTTP2Connection.aclose", optional=True)
def closed_async(original: Any) -> Any:
    async def aclose(self: Any) -> Any:
        try:
            forgotten(self)
        except BaseException as error:
            failed("httpcore", error)
        return await original(self)

    return aclose


@replace("httpcore._sync.connection_pool", "ConnectionPool.__init__")
@replace("httpcore._async.connection_pool", "AsyncConnectionPool.__init__")
def pool(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            if self._max_connections < sys.maxsize:
                self._monagent = Pool(self._max_connections)
        except BaseException as error:
            failed("httpcore", error)

    return __init__


# A call in the queue of its pool: RequestStatus until 1.0.2, then PoolRequest.
@replace("httpcore._sync.connection_pool", "PoolRequest.wait_for_connection", optional=True)
@replace("httpcore._sync.connection_pool", "RequestStatus.wait_for_connection", optional=True)
def queued(original: Any) -> Any:
    def wait_for_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        wait = waiting(self) if self.connection is None else None
        if wait is None:
            return original(self, *args, **kwargs)
        try:
            connection = original(self, *args, **kwargs)
        except BaseException as error:
            waited(wait, error)
            raise
        waited(wait, None)
        return connection

    return wait_for_connection


@replace("httpcore._async.connection_pool", "AsyncPoolRequest.wait_for_connection", optional=True)
@replace("httpcore._async.connection_pool", "RequestStatus.wait_for_connection", optional=True)
def queued_async(original: Any) -> Any:
    async def wait_for_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        wait = waiting(self) if self.connection is None else None
        if wait is None:
            return await original(self, *args, **kwargs)
        try:
            connection = await original(self, *args, **kwargs)
        except BaseException as error:
            waited(wait, error)
            raise
        waited(wait, None)
        return connection

    return wait_for_connection


def busy(connection: Any) -> None:
    """A call goes over the connection."""
    counted = getattr(connection, "_monagent", None)
    if counted is not None:
        counted.busy()


def rested(connection: Any) -> None:
    """An answer is over; the connection may have others under way, or be closed."""
    counted = getattr(connection, "_monagent", None)
    if counted is not None and connection.is_idle():
        counted.idle()


def forgotten(connection: Any) -> None:
    """The connection is closed."""
    counted = getattr(connection, "_monagent", None)
    if counted is not None:
        connection._monagent = None
        counted.close()


def waiting(queued: Any) -> Wait | None:
    """The pool has no connection for this call."""
    try:
        return Wait(_peer(queued.request.url.origin))
    except BaseException as error:
        failed("httpcore", error)
        return None


def waited(wait: Wait, error: BaseException | None) -> None:
    """The call has got a connection, or gives up."""
    try:
        wait.end(error)
    except BaseException as ours:
        failed("httpcore", ours)


def _peer(origin: Any) -> Peer:
    return of(origin.scheme.decode("ascii"), origin.host.decode("ascii"), origin.port)
