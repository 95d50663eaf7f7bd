"""httpcore: the connections beneath httpx, and the calls that wait for one in a full pool."""

from __future__ import annotations

from monagent.instrument import Library, giving_coroutines, replace
from monagent.integrations import _httpcore, _httpcore_queue, _httpcore_retries

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
    return _httpcore.connected("httpcore", original)


@replace("httpcore._sync.http11", "HTTP11Connection.handle_request")
@replace("httpcore._sync.http2", "HTTP2Connection.handle_request", optional=True)
def used(original: Any) -> Any:
    return _httpcore.used("httpcore", original)


@replace("httpcore._async.http11", "AsyncHTTP11Connection.handle_async_request")
@replace("httpcore._async.http2", "AsyncHTTP2Connection.handle_async_request", optional=True)
def used_async(original: Any) -> Any:
    return _httpcore.used_async("httpcore", original)


@replace("httpcore._sync.http11", "HTTP11Connection._response_closed")
def over(original: Any) -> Any:
    return _httpcore.over("httpcore", original)


@replace("httpcore._async.http11", "AsyncHTTP11Connection._response_closed")
def over_async(original: Any) -> Any:
    return giving_coroutines(_httpcore.over("httpcore", original))


@replace("httpcore._sync.http2", "HTTP2Connection._response_closed", optional=True)
def answered(original: Any) -> Any:
    return _httpcore.answered("httpcore", original)


@replace("httpcore._async.http2", "AsyncHTTP2Connection._response_closed", optional=True)
def answered_async(original: Any) -> Any:
    return _httpcore.answered_async("httpcore", original)


@replace("httpcore._sync.http11", "HTTP11Connection.close")
@replace("httpcore._sync.http2", "HTTP2Connection.close", optional=True)
def closed(original: Any) -> Any:
    return _httpcore.closed("httpcore", original)


@replace("httpcore._async.http11", "AsyncHTTP11Connection.aclose")
@replace("httpcore._async.http2", "AsyncHTTP2Connection.aclose", optional=True)
def closed_async(original: Any) -> Any:
    return _httpcore.closed_async("httpcore", original)


@replace("httpcore._sync.connection_pool", "ConnectionPool.__init__")
@replace("httpcore._async.connection_pool", "AsyncConnectionPool.__init__")
def pool(original: Any) -> Any:
    return _httpcore.pool("httpcore", original)


@replace("httpcore._sync.connection_pool", "PoolByteStream.__init__", optional=True)
@replace("httpcore._async.connection_pool", "PoolByteStream.__init__", optional=True)
@replace("httpcore._sync.connection_pool", "ConnectionPoolByteStream.__init__", optional=True)
@replace("httpcore._async.connection_pool", "ConnectionPoolByteStream.__init__", optional=True)
def handed_over(original: Any) -> Any:
    return _httpcore_queue.handed_over("httpcore", original)


@replace("httpcore._synchronization", "Event.wait")
def queued(original: Any) -> Any:
    return _httpcore_queue.queued("httpcore", original)


@replace("httpcore._synchronization", "AsyncEvent.wait")
def queued_async(original: Any) -> Any:
    return _httpcore_queue.queued_async("httpcore", original)


@replace("httpcore._sync.connection", "exponential_backoff", optional=True)
@replace("httpcore._async.connection", "exponential_backoff", optional=True)
def delaying(original: Any) -> Any:
    return _httpcore_retries.delaying("httpcore", original)
