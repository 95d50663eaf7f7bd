"""aiohttp's client: how calls are watched, from `ClientSession._request` to the end of the answer.

The duration ends with the headers, since the application reads the body; the call is counted when
that is over. A `Call` is known to everything that aiohttp does on its behalf by a context variable.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from time import perf_counter

from monagent.conventions._peers import of, of_url
from monagent.conventions.http_client import CALLS, Calls, Streamed, calls_to, resent
from monagent.integrations import _http_client
from monagent.integrations._http_client import failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Call:
    """A logical call under way.

    Attributes:
        request: the library's object of the try under way.
        sends, repeats: requests handed to a connection; those of them with the same object.
        sent: bytes of a body whose length nobody knows beforehand, -1 when there is none such.
        late: no connection of the full pool came free in time.
    """

    __slots__ = ("calls", "late", "repeats", "request", "sends", "sent")

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.request: Any = None
        self.sends = self.repeats = 0
        self.sent = -1
        self.late = False


class PoolTimeout(TimeoutError):
    """Stands for a wait for a connection of the full pool that took too long."""


class Body:
    """The body of an answer that is still to come; the library holds it until it has."""

    __slots__ = ("content", "headers", "streamed")

    def __init__(self, response: Any, streamed: Streamed) -> None:
        self.content = response.content
        self.headers = response.headers
        self.streamed = streamed

    def complete(self) -> None:
        """The library calls this when the last byte has come."""
        try:
            self.streamed.end(received(self.content, self.headers))
        except BaseException as error:
            failed("aiohttp", error)


CALL: ContextVar[Call | None] = ContextVar("monagent.aiohttp.call", default=None)


def requesting(original: Any) -> Any:
    """Wrapper of `ClientSession._request`."""
    codes = {original.__code__}

    async def _request(self: Any, method: Any, str_or_url: Any, **kwargs: Any) -> Any:
        call = None
        try:
            if str_or_url.__class__ is str and self._base_url is None:
                key: Any = (str_or_url[: str_or_url.find("/", 8)], method)  # 8: behind https://
            else:
                key = key_of(self, str_or_url, method)
            try:
                found = CALLS[key]
            except KeyError:
                found = met(key)
            found.mem[0][found.at] += 1.0
            call, begun = Call(found), perf_counter()
            token = CALL.set(call)
        except BaseException as error:
            failed("aiohttp", error)
        if call is None:
            return await original(self, method, str_or_url, **kwargs)
        try:
            response = await original(self, method, str_or_url, **kwargs)
        except BaseException as error:
            try:
                CALL.reset(token)
                broke(call, perf_counter() - begun, error, codes)
            except BaseException as ours:
                failed("aiohttp", ours)
            raise
        try:
            CALL.reset(token)
            now = perf_counter()
            status = response.status
            if status >= 400 or now > found.look:
                found.heard(status, response.headers, now)
            content = response.content
            if status == 101:
                found.active(-1.0)  # What comes of it is no request.
            elif kwargs.get("data") is None and "json" not in kwargs and call.sends == 1:
                if content.is_eof():
                    found[status](now - begun, 0, received(content, response.headers))
                else:
                    follow(response, found.streams(now - begun, status, 0))
            else:
                returned(call, now - begun, response, kwargs)
        except BaseException as error:
            failed("aiohttp", error)
        return response

    return _request


def writing(original: Any) -> Any:
    """Wrapper of `ClientRequest.write_bytes`, a task of its own."""

    async def write_bytes(self: Any, writer: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            call = CALL.get()
            if call is not None and call.request is self:
                call.sent = 0
                writer._monagent = call
        except BaseException as error:
            failed("aiohttp", error)
        return await original(self, writer, *args, **kwargs)

    return write_bytes


def leaving(original: Any) -> Any:
    """Wrapper of `ClientResponse.release` and of `close`."""
    reading = {sys.modules["aiohttp.streams"].StreamReader._wait.__code__}

    def release(self: Any) -> Any:
        try:
            body = getattr(self, "_monagent", None)
            if body is not None:
                self._monagent = None
                left(body, sys.exc_info()[1], reading)
        except BaseException as error:
            failed("aiohttp", error)
        return original(self)

    return release


def key_of(session: Any, target: Any, method: Any) -> Any:
    """What calls to a relative URL, or to one that is an object, are looked up by."""
    url = session._build_url(target)
    return url.scheme, url.host or "", url.port, method


def met(key: Any) -> Calls:
    """The first call of a method to a server."""
    peer = of_url(key[0]) if len(key) == 2 else of(*key[:3])
    return calls_to(peer, key[-1], key)


def returned(call: Call, seconds: float, response: Any, kwargs: dict[str, Any]) -> None:
    """The call has given an answer out of the ordinary: with a body sent, redirects, retries."""
    resends(call, len(response.history))
    sent = 0
    if kwargs.get("data") is not None or kwargs.get("json") is not None:
        data = kwargs.get("data")
        sent = len(data) if data.__class__ is bytes and not kwargs.get("compress") else call.sent
        if sent < 0:
            sent = _http_client.declared(response.request_info.headers)
    if response.content.is_eof():
        size = received(response.content, response.headers)
        call.calls[response.status](seconds, sent, size)
    else:
        follow(response, call.calls.streams(seconds, response.status, sent))


def follow(response: Any, streamed: Streamed) -> None:
    """Count the call when the body of its answer is over."""
    body = response._monagent = Body(response, streamed)
    response.content.on_eof(body.complete)


def left(body: Body, raised: BaseException | None, reading: Any) -> None:
    """The application is through with the answer, or the library for an error."""
    error = body.content.exception()
    if error is None and raised is not None:
        # The application's own error says nothing; one that came out of the reading does.
        error = raised if _http_client.locals_of(reading, raised) else None
    body.streamed.end(received(body.content, body.headers), error)


def received(content: Any, headers: Any) -> int:
    """Bytes of an answer's body, compressed where they are."""
    size = getattr(content, "total_raw_bytes", None) if content.total_bytes else 0
    if size is None:  # before 3.14
        size = content.total_bytes
        if "Content-Encoding" in headers:
            size = _http_client.declared(headers)
    return int(size)


def broke(call: Call, seconds: float, error: BaseException, codes: Any) -> None:
    """The call has raised, perhaps between redirects or for the status of its answer."""
    followed = len(_http_client.locals_of(codes, error).get("history", ()))
    name = type(error).__name__
    if name == "TooManyRedirects":  # nothing was sent for the last
        followed -= 1
    resends(call, followed)
    status = getattr(error, "status", None)
    if name == "ClientResponseError" and error.__cause__ is None and status:  # raise_for_status
        call.calls[status](seconds, max(call.sent, 0), -1)
        return
    if call.late and isinstance(error, TimeoutError | sys.modules["asyncio"].TimeoutError):
        error = PoolTimeout()
    call.calls.failed(seconds, error)


def resends(call: Call, redirects: int) -> None:
    """Tell requests beyond the first: redirects, tries after a lost connection, middlewares'."""
    retries = call.sends - 1 - redirects - call.repeats
    for reason, count in (("redirect", redirects), ("read", retries), ("other", call.repeats)):
        for _ in range(count):
            resent(call.calls.peer, reason)
