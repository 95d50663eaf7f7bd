"""urllib3: calls of pool managers and pools with their retries, connections, and pools that block.

Under requests or another client that stands on it only connections, pools and retries are recorded.
The duration ends where `urlopen` returns: with the body read, unless preload_content=False.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._calls import by_url, ended_by_urllib3
from monagent.conventions._peers import of
from monagent.conventions.http_client import (
    CALLS,
    LATEST,
    Calls,
    Upload,
    calls_to,
    first_by_url,
    number,
    resent,
    throttled,
)
from monagent.instrument import Library, replace
from monagent.integrations import _http_client, _urllib3_body, _urllib3_pool
from monagent.integrations._http_client import (
    INNER,
    OUTER,
    SENDERS,
    Reading,
    called_by,
    failed,
    inner,
    is_within,
)

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
    inner(original, "urllib3")

    def urlopen(self: Any, method: str, url: str, redirect: Any = True, **kwargs: Any) -> Any:
        calls = None
        try:
            retries = kwargs.get("retries")
            # The manager calls itself for a redirect, and the retries tell the way so far.
            again = bool(getattr(retries, "history", None))
            if not again or not called_by(INNER, sys._getframe().f_back):
                found = by_url(CALLS, LATEST, url, method)
                if found is None:
                    found = first_by_url(url, method)
                calls, begun = found, perf_counter()
        except BaseException as error:
            if isinstance(url, str):  # else urllib3 says so
                failed("urllib3", error)
        if calls is None:
            return original(self, method, url, redirect, **kwargs)
        try:
            response = original(self, method, url, redirect, **kwargs)
        except BaseException as error:
            try:
                broke(calls, perf_counter() - begun, error)
            except BaseException as ours:
                failed("urllib3", ours)
            raise
        try:
            body, preload = kwargs.get("body"), kwargs.get("preload_content", True)
            if not preload or not ended_by_urllib3(calls, begun, response.status, response, body):
                returned(calls, begun, response, body, kwargs.get("headers"), preload)
        except BaseException as error:
            failed("urllib3", error)
        try:
            return response
        finally:
            del response  # What a retry has caught may hold this frame until the next collection.

    return urlopen


@replace("urllib3.connectionpool", "HTTPConnectionPool.urlopen")
def pool(original: Any) -> Any:
    inner(original, "urllib3")
    module = sys.modules["urllib3.connectionpool"]
    unset = module._DEFAULT_TIMEOUT if hasattr(module, "_DEFAULT_TIMEOUT") else module._Default

    # Parameters that every version takes, by name: to hand on a dict of them costs 1 µs and more.
    def urlopen(
        self: Any,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        retries: Any = None,
        redirect: Any = True,
        assert_same_host: Any = True,
        timeout: Any = unset,
        pool_timeout: Any = None,
        release_conn: Any = None,
        chunked: Any = False,
        body_pos: Any = None,
        preload_content: Any = True,
        decode_content: Any = True,
        **others: Any,
    ) -> Any:
        calls = None
        upload: Upload | Reading | None = None
        try:
            if body is not None and type(body) is not bytes:
                if _http_client.endless(body):
                    body = upload = Upload(body)
                else:
                    upload = _http_client.reading(body, body_pos)
            # It calls itself to try again; the other is what managers and requests say.
            asking = not assert_same_host or getattr(retries, "history", None)
            if not is_within(headers, asking, OUTER, INNER, SENDERS):
                key = (self.scheme, self.host, self.port, method)
                try:
                    found = CALLS[key]
                except KeyError:
                    found = calls_to(of(*key[:3]), method, key)
                found.mem[0][found.at] += 1.0
                calls, begun = found, perf_counter()
        except BaseException as error:
            failed("urllib3", error)
        try:
            if others:
                response = original(
                    self, method, url, body, headers, retries, redirect, assert_same_host,
                    timeout, pool_timeout, release_conn, chunked, body_pos,
                    preload_content=preload_content, decode_content=decode_content, **others,
                )  # fmt: skip
            else:
                response = original(
                    self, method, url, body, headers, retries, redirect, assert_same_host,
                    timeout, pool_timeout, release_conn, chunked, body_pos,
                    preload_content=preload_content, decode_content=decode_content,
                )  # fmt: skip
        except BaseException as error:
            try:
                if calls is not None:
                    broke(calls, perf_counter() - begun, error)
            except BaseException as ours:
                failed("urllib3", ours)
            raise
        try:
            if upload is not None:
                _urllib3_body.sending(response, upload)
            if calls is not None:
                returned(calls, begun, response, body, headers, preload_content)
        except BaseException as error:
            failed("urllib3", error)
        try:
            return response
        finally:
            del response  # What a retry has caught may hold this frame until the next collection.

    return urlopen


@replace("urllib3.util.retry", "Retry.increment")
def retry(original: Any) -> Any:
    def increment(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            following = original(self, *args, **kwargs)  # raises when there is no further try
        except BaseException:
            try:
                exhausted(self, args, kwargs)
            except BaseException as error:
                failed("urllib3", error)
            raise
        try:
            retried(self, args, kwargs)
        except BaseException as error:
            failed("urllib3", error)
        return following

    return increment


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


# A module of urllib3's fork alone: its responses give connections back themselves.
@replace("urllib3._async.response", "HTTPResponse.release_conn", optional=True)
def releasing(original: Any) -> Any:
    return _urllib3_pool.releasing(original)


@replace("urllib3._async.response", "HTTPResponse.close", optional=True)
def resetting(original: Any) -> Any:
    return _urllib3_pool.resetting(original)


@replace("urllib3.connectionpool", "HTTPConnectionPool.__init__")
def making(original: Any) -> Any:
    return _urllib3_pool.making(original)


def returned(
    calls: Calls, begun: float, response: Any, body: Any, headers: Any, preload: Any
) -> None:
    """The call has given its answer."""
    now = perf_counter()
    seconds, status = now - begun, number(response.status)
    if status >= 400 or now > calls.look:
        calls.heard(status, response.headers, now)
    sent = 0 if body is None else uploaded(body, headers, response)
    if not preload and _urllib3_body.unfinished(response):
        _urllib3_body.follow(response, calls.streams(seconds, status, sent))
    else:
        calls[status](seconds, sent, _urllib3_body.received(response))


def uploaded(body: Any, headers: Any, response: Any) -> int:
    """Bytes of the body that was sent; -1 when they cannot be told."""
    sent = _http_client.length(body)
    if sent < 0:
        sent = _urllib3_body.sent(response)
    return _http_client.declared(headers or {}) if sent < 0 else sent


def broke(calls: Calls, seconds: float, error: BaseException) -> None:
    """The call has raised, perhaps while the body of an answer was read."""
    reading = {sys.modules["urllib3.response"].HTTPResponse.read.__code__}
    # What ends the retries is a new error, which holds the one of the last try.
    last = getattr(error, "reason", None)
    response = _http_client.locals_of(reading, last or error).get("self")
    calls.failed(seconds, error, getattr(response, "status", None))


def retried(retries: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A pool sends once more, for what its answer says or for what went wrong."""
    response, error, pool = facts(args, kwargs)
    if pool is None:
        return
    peer = of(pool.scheme, pool.host, pool.port)
    if response is not None:
        reason = "redirect" if response.get_redirect_location() else "status"
        throttled(peer, response.status, response.headers)
    elif error is not None and retries._is_connection_error(error):
        reason = "connect"
    else:
        reason = "read" if error is not None and retries._is_read_error(error) else "other"
    resent(peer, reason)


def exhausted(retries: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A pool may not send once more: it returns the answer, or raises and nobody else hears it."""
    response, _, pool = facts(args, kwargs)
    if pool is not None and response is not None and retries.raise_on_status:
        throttled(of(pool.scheme, pool.host, pool.port), response.status, response.headers)


def facts(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Of what `increment` is given: the answer, the error, the pool."""
    names = ("method", "url", "response", "error", "_pool")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return [given.get(name) for name in names[2:]]
