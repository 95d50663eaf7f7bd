"""urllib3: calls of pool managers and pools with their retries, connections, and pools that block.

Under requests or another client that stands on it only connections, pools and retries are recorded.
The duration ends where `urlopen` returns: with the body read, unless preload_content=False.
"""

from __future__ import annotations

from monagent.conventions._peers import of, of_url
from monagent.conventions.http_client import Outgoing, Upload, resent, said
from monagent.instrument import Library, replace
from monagent.integrations import _http_client, _urllib3_body, _urllib3_pool
from monagent.integrations._http_client import failed, measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "urllib3",
    versions=">=1.26",
    records=("http_client",),
    covers="calls, retries, open connections, and waiting in pools that block",
)


@replace("urllib3.poolmanager", "PoolManager.urlopen")
def manager(original: Any) -> Any:
    return measured("urllib3", original, managed, returned, broke)


@replace("urllib3.connectionpool", "HTTPConnectionPool.urlopen")
def pool(original: Any) -> Any:
    return measured("urllib3", original, pooled, returned, broke)


@replace("urllib3.util.retry", "Retry.increment")
def retry(original: Any) -> Any:
    def increment(self: Any, *args: Any, **kwargs: Any) -> Any:
        following = original(self, *args, **kwargs)  # raises when there is no further try
        try:
            retried(self, args, kwargs)
        except BaseException as error:
            failed("urllib3", error)
        return following

    return increment


@replace("urllib3.response", "HTTPResponse._error_catcher")
def catching(original: Any) -> Any:
    return _urllib3_body.catching(original)


@replace("urllib3.response", "HTTPResponse.read")
def reading(original: Any) -> Any:
    return _urllib3_body.reading(original)


@replace("urllib3.response", "HTTPResponse.read1", optional=True)
def reading1(original: Any) -> Any:
    return _urllib3_body.reading(original)


@replace("urllib3.response", "HTTPResponse._handle_chunk", optional=True)
def chunk(original: Any) -> Any:
    return _urllib3_body.chunking(original)


@replace("urllib3.response", "HTTPResponse.close")
def abandoning(original: Any) -> Any:
    return _urllib3_body.closing(original)


@replace("urllib3.connection", "HTTPConnection.connect")
@replace("urllib3.connection", "HTTPSConnection.connect")
def connecting(original: Any) -> Any:
    return _urllib3_pool.connecting(original)


@replace("urllib3.connection", "HTTPConnection.close")
def closing(original: Any) -> Any:
    return _urllib3_pool.closing(original)


@replace("urllib3.connectionpool", "HTTPConnectionPool._get_conn")
def taking(original: Any) -> Any:
    return _urllib3_pool.taking(original)


@replace("urllib3.connectionpool", "HTTPConnectionPool._put_conn")
def giving(original: Any) -> Any:
    return _urllib3_pool.giving(original)


@replace("urllib3.connectionpool", "HTTPConnectionPool.__init__")
def making(original: Any) -> Any:
    return _urllib3_pool.making(original)


def managed(
    outer: Outgoing | None, manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Outgoing | None:
    """The call that begins at a pool manager, unless an outer client's is under way."""
    if outer is not None and outer.owner is not None:
        return None
    url = args[1] if len(args) > 1 else kwargs["url"]
    return Outgoing(of_url(url), args[0] if args else kwargs["method"], manager)


def pooled(
    outer: Outgoing | None, pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Outgoing | None:
    """The call that begins at a pool, unless one is under way; its body is seen here alone."""
    outgoing = None
    if outer is None or outer.owner is None:
        method = args[0] if args else kwargs["method"]
        outer = outgoing = Outgoing(of(pool.scheme, pool.host, pool.port), method, pool)
    body = kwargs.get("body")
    if body is not None and type(body) is not bytes and _http_client.endless(body):
        outer.upload = kwargs["body"] = Upload(body)
    return outgoing


def returned(
    outgoing: Outgoing, response: Any, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The call has given its answer."""
    body = args[2] if len(args) > 2 else kwargs.get("body")
    sent = outgoing.upload.sent if outgoing.upload else _http_client.length(body)
    if sent is None:
        sent = _http_client.declared(kwargs.get("headers") or {})
    headers = response.headers
    if not kwargs.get("preload_content", True) and _urllib3_body.unfinished(response):
        _urllib3_body.follow(response, outgoing.streams(response.status, headers, sent))
    else:
        received = _urllib3_body.received(response)
        outgoing.answered(response.status, headers, sent, received)


def broke(outgoing: Outgoing, error: BaseException) -> None:
    """The call has raised, perhaps while the body of an answer was read."""
    response = _http_client.locals_of(_urllib3_body.codes, error).get("self")
    outgoing.failed(error, getattr(response, "status", None))


def retried(retries: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A pool sends once more, for what its answer says or for what went wrong."""
    names = ("method", "url", "response", "error", "_pool")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    response, error, pool = (given.get(name) for name in names[2:])
    if pool is None:
        return
    peer = of(pool.scheme, pool.host, pool.port)
    if response is not None:
        reason = "redirect" if response.get_redirect_location() else "status"
        said(peer, response.status, response.headers)
    elif error is not None and retries._is_connection_error(error):
        reason = "connect"
    else:
        reason = "read" if error is not None and retries._is_read_error(error) else "other"
    resent(peer, reason)
