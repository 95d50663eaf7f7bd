"""aiohttp's client: how calls are watched, from `ClientSession._request` to the end of the answer.

The duration ends with the headers, since the application reads the body; the call is counted when
that is over, which the reader of the body tells: at its end, or by the exception it is given.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

from monagent.clock import perf_counter
from monagent.conventions._calls import by_url, ended, followed
from monagent.conventions._http_pools import TIMEOUTS
from monagent.conventions._peers import of
from monagent.conventions.http_client import CALLS, LATEST, Calls, calls_to, first_by_url, resent
from monagent.integrations import _http_client
from monagent.integrations._aiohttp_answer import passed, unframed
from monagent.integrations._aiohttp_body import READING, Awaited, Body, received
from monagent.integrations._http_client import SENDERS, carries, declared, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Upload:
    """A body whose length nobody knows beforehand, counted as the writer gets its parts.

    It knows the body by its id, and only during the call: the loop keeps the call's context, and
    with it this, for as long as the connection is open.
    """

    __slots__ = ("accounted", "body", "sent")

    def __init__(self, data: Any) -> None:
        self.body = id(data)
        self.sent = -1
        self.accounted = 0

    def begins(self, writer: Any) -> None:
        """It is about to be sent, maybe once more."""
        self.sent = 0
        self.accounted = passed(writer)
        writer._monagent = self

    def wrote(self, writer: Any, size: int) -> None:
        """The writer was given a part of so many bytes."""
        if writer._compress is None:
            self.sent += size
            return
        now = passed(writer)
        self.sent += unframed(now - self.accounted, writer.chunked)
        self.accounted = now

    def written(self, writer: Any) -> None:
        """And the last; what a compressor has kept until then is sent with the body's end."""
        if writer._compress is not None:
            self.accounted += 5 if writer.chunked else 0  # the last chunk's, empty
            self.wrote(writer, 0)


UPLOAD: ContextVar[Upload | None] = ContextVar("monagent.aiohttp.upload", default=None)


def requesting(original: Any) -> Any:
    """Wrapper of `ClientSession._request`."""
    codes = {original.__code__}
    reader = sys.modules["aiohttp.streams"].StreamReader
    READING.update(each.__code__ for each in (reader._wait, reader.read, reader.readany))
    encoded = sys.modules["multidict"].istr("Content-Encoding")
    empty = sys.modules["aiohttp.streams"].EMPTY_PAYLOAD

    async def _request(self: Any, method: Any, str_or_url: Any, **kwargs: Any) -> Any:
        calls = upload = token = None
        try:
            if not SENDERS or not carries(sys._getframe().f_back):
                if "data" in kwargs:
                    upload = Upload(kwargs["data"])
                if str_or_url.__class__ is str and self._base_url is None:
                    found = by_url(CALLS, LATEST, str_or_url, method)
                    if found is None:
                        found = first_by_url(str_or_url, method)
                else:
                    found = first_of(self, str_or_url, method)
                calls, begun = found, perf_counter()
                if upload is not None:
                    token = UPLOAD.set(upload)
        except BaseException as error:
            failed("aiohttp", error)
        if calls is None:
            return await original(self, method, str_or_url, **kwargs)
        try:
            response = await original(self, method, str_or_url, **kwargs)
        except BaseException as error:
            try:
                if token is not None:
                    reset(token)
                broke(calls, perf_counter() - begun, error, codes)
            except BaseException as ours:
                failed("aiohttp", ours)
            raise
        try:
            if token is not None:
                reset(token)
            status, content = response.status, response.content
            if (
                upload is not None
                or "json" in kwargs
                or response._history
                or encoded in response._headers
                or status == 101
            ):
                plain = False
            elif content is empty or getattr(content, "_eof", False) or content.is_eof():
                plain = ended(calls, begun, status, 0, getattr(content, "total_bytes", 0))
            else:
                plain = followed(Awaited, calls, begun, status, content)
            if not plain:
                answered(calls, begun, response, kwargs, upload)
        except BaseException as error:
            failed("aiohttp", error)
        return response

    return _request


def writing(original: Any) -> Any:
    """Wrapper of `ClientRequest.write_bytes`, a task of its own."""

    async def write_bytes(self: Any, writer: Any, *args: Any, **kwargs: Any) -> Any:
        upload = None
        try:
            found = UPLOAD.get()
            # Not another call's, which the body of this one makes meanwhile.
            if found is not None and found.body == id(getattr(self.body, "_value", None)):
                found.begins(writer)
                upload = found
        except BaseException as error:
            failed("aiohttp", error)
        result = await original(self, writer, *args, **kwargs)
        try:
            if upload is not None:
                upload.written(writer)
        except BaseException as error:
            failed("aiohttp", error)
        return result

    return write_bytes


def closing(original: Any) -> Any:
    """Wrapper of a connection's `close`, with which every try ends that has failed."""

    def close(self: Any) -> None:
        try:
            error = sys.exc_info()[1]
            open_yet = self._protocol is not None
            if open_yet and error is not None and type(error).__name__ in RETRIED:
                retried(sys._getframe().f_back)
        except BaseException as ours:
            failed("aiohttp", ours)
        original(self)

    return close


def identifying(original: Any) -> Any:
    """Wrapper of `DigestAuthMiddleware._authenticate`, by which it knows whether to ask again."""

    def _authenticate(self: Any, response: Any) -> Any:
        asks = original(self, response)
        try:
            frame = sys._getframe().f_back
            if asks and frame is not None and not frame.f_locals.get("retry_count"):  # once more
                url = response.url
                resent(of(url.scheme, url.host or "", url.port), "auth")
        except BaseException as error:
            failed("aiohttp", error)
        return asks

    return _authenticate


RETRIED = frozenset(("ClientOSError", "ClientConnectionResetError", "ServerDisconnectedError"))


def retried(frame: Any) -> None:
    """The library tries once more where a connection of its pool was lost at once."""
    session = sys.modules["aiohttp.client"].ClientSession
    code = getattr(session._request, "__wrapped__", session._request).__code__
    called = _http_client.caller({code}, frame)
    if called is not None and called.f_locals.get("retry_persistent_connection"):
        url = called.f_locals["url"]
        resent(of(url.scheme, url.host or "", url.port), "read")


def first_of(session: Any, target: Any, method: Any) -> Calls:
    """A call to a relative URL begins, or to one that is an object."""
    try:
        url = session._build_url(target)
        key = url.scheme, url.host or "", url.port, method
    except (ValueError, TypeError, AssertionError):  # the library is about to say so
        key = "", "", None, method
    calls = CALLS.get(key)
    if calls is None:
        calls = calls_to(of(*key[:3]), method, key)
    calls.mem[0][calls.at] += 1.0
    return calls


def reset(token: Any) -> None:
    """The call is over, and what its context knows of it."""
    try:
        UPLOAD.reset(token)
    except ValueError:
        pass  # Closed in another context than it began in, as when it is dropped half-way.


def answered(calls: Calls, begun: float, response: Any, kwargs: Any, upload: Upload | None) -> None:
    """The call has its answer, whatever that is."""
    now = perf_counter()
    seconds, status, sent = now - begun, response.status, 0
    if status >= 400 or now > calls.look:
        calls.heard(status, response._headers, now)
    if upload is not None or "json" in kwargs:
        sent = uploaded(response.request_info.headers, kwargs, upload)
    history = response._history
    # A redirect that leads nowhere is the answer, and among those before it nevertheless.
    redirected(calls, len(history) - (history[-1:] == (response,)))
    if status == 101:
        calls.active(-1.0)  # What comes of it is no request.
    elif response.content.is_eof():
        calls[status](seconds, sent, received(response.content, response.headers))
    else:
        Body(response, calls.streams(seconds, status, sent))


def uploaded(headers: Any, kwargs: Any, upload: Upload | None) -> int:
    """Bytes of the body that was sent; -1 when they cannot be told."""
    data = kwargs.get("data")
    if data is None and kwargs.get("json") is None:
        return 0
    if data.__class__ is bytes and not kwargs.get("compress"):
        return len(data)
    sent = -1 if upload is None else upload.sent
    return declared(headers) if sent < 0 else sent


def broke(calls: Calls, seconds: float, error: BaseException, codes: Any) -> None:
    """The call has raised, perhaps between redirects or for the status of its answer."""
    followed = len(_http_client.locals_of(codes, error).get("history", ()))
    name = type(error).__name__
    redirected(calls, followed - 1 if name in UNSENT else followed)
    status = getattr(error, "status", None)
    if name == "ClientResponseError" and error.__cause__ is None and status:  # raise_for_status
        calls.heard(status, error.headers or {}, perf_counter())  # type: ignore[attr-defined]
        calls[status](seconds, -1, -1)
    elif isinstance(error, sys.modules["asyncio"].TimeoutError) and waited(error):
        TIMEOUTS.bind(*calls.peer.labels)(1.0)
        calls.failed_by("pool_timeout", seconds)
    else:
        calls.failed(seconds, error)


UNSENT = frozenset(
    (
        "TooManyRedirects",
        "InvalidURL",
        "InvalidUrlRedirectClientError",
        "NonHttpUrlRedirectClientError",
    )
)
"""Raised for a redirect, for which nothing was sent."""


def waited(error: BaseException | None) -> bool:
    """Whether what led to this error interrupted a wait for a connection of the pool."""
    connector = sys.modules["aiohttp.connector"].BaseConnector
    waiting = getattr(connector, "_wait_for_available_connection", connector.connect)
    codes = {getattr(waiting, "__wrapped__", waiting).__code__}
    for _ in range(4):
        if error is None:
            return False
        found = _http_client.locals_of(codes, error)
        if "fut" in found and "proto" not in found and "placeholder" not in found:
            return True
        error = error.__cause__ or error.__context__
    return False


def redirected(calls: Calls, count: int) -> None:
    """The library has sent so many requests more."""
    for _ in range(count):
        resent(calls.peer, "redirect")
