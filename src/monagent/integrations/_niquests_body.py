"""Answers of niquests: when their calls end, with the body's last byte or with a promise kept.

Bodies are counted where urllib3's fork reads them, on the answer's own object: see _urllib3_body.
"""

from __future__ import annotations

import sys
from os import getpid
from weakref import ref

from monagent.clock import perf_counter
from monagent.conventions._peers import UNKNOWN, of_url, peer
from monagent.conventions.http_client import Calls, Streamed, calls_to, resent
from monagent.integrations import _http_client, _urllib3_body
from monagent.integrations._http_client import failed
from monagent.integrations._urllib3_body import ended, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Promised:
    """The call behind a promise, kept on the answer; one that is dropped unkept was cancelled."""

    __slots__ = ("_begun", "_calls", "_process", "_request", "response")

    def __init__(self, calls: Calls, begun: float, request: Any) -> None:
        self._calls: Calls | None = calls
        self._begun = begun
        self._process = getpid()
        self._request = request
        self.response: Any = None  # Only while its promise is being kept.

    def kept(self, response: Any) -> None:
        """The answer is there."""
        calls, self._calls = self._calls, None
        if calls is not None:
            # Behind a redirect niquests reads the body when the application looks at it.
            finish(calls, self._begun, self._request, response, stream=True)

    def broken(self, error: BaseException) -> None:
        """There will be no answer."""
        calls, self._calls = getattr(self, "_calls", None), None
        if calls is not None and self._process == getpid():
            calls.failed(perf_counter() - self._begun, error)

    def __del__(self) -> None:
        try:
            self.broken(GeneratorExit())
        except BaseException as error:
            failed("niquests", error)


class AsyncCatcher:
    """The fork's context manager around an asynchronous read, and our look."""

    __slots__ = ("_catcher", "_response", "_streamed")

    def __init__(self, catcher: Any, response: Any, streamed: Streamed) -> None:
        self._catcher = catcher
        self._response = response
        self._streamed = streamed

    async def __aenter__(self) -> Any:
        return await self._catcher.__aenter__()

    async def __aexit__(self, *raised: Any) -> Any:
        try:
            swallowed = await self._catcher.__aexit__(*raised)
        except BaseException as error:
            try:
                ended(self._response, self._streamed, -1, error)
            except BaseException as ours:
                failed("niquests", ours)
            raise
        try:
            if raised[1] is not None and not swallowed:
                ended(self._response, self._streamed, -1, raised[1])
            elif self._response.closed:
                ended(self._response, self._streamed, whole(self._response, sys._getframe(1)))
        except BaseException as error:
            failed("niquests", error)
        return swallowed


class AsyncCatching:
    """Takes the place of a streamed answer's `_error_catcher`, without holding the answer."""

    __slots__ = ("_response", "_streamed")

    def __init__(self, response: Any, streamed: Streamed) -> None:
        self._response = ref(response)
        self._streamed = streamed

    def __call__(self) -> Any:
        response: Any = self._response()
        return AsyncCatcher(type(response)._error_catcher(response), response, self._streamed)


def finish(calls: Calls, begun: float, request: Any, response: Any, stream: Any) -> None:
    """The call is over, or over with the body that the application reads."""
    now = perf_counter()
    status, raw = response.status_code, response.raw
    if status >= 400 or now > calls.look:
        calls.heard(status, response.headers, now)
    sent = 0 if request.body is None else uploaded(request)
    # A WebSocket's or an event stream's extension reads by itself.
    if not stream or response.extension is not None or not _urllib3_body.unfinished(raw):
        calls[status](now - begun, sent, _urllib3_body.received(raw))
        return
    streamed = calls.streams(now - begun, status, sent)
    if hasattr(type(raw).close, "__code__") and type(raw).close.__code__.co_flags & 0x80:
        raw._monagent = streamed
        raw._error_catcher = AsyncCatching(raw, streamed)
    else:
        _urllib3_body.follow(raw, streamed)


def uploaded(request: Any) -> int:
    """Bytes of the body that was sent; -1 when they cannot be told."""
    sent = _http_client.length(request.body)
    if sent < 0:
        sent = _http_client.declared(request.headers)
    progress = getattr(request, "upload_progress", None)
    return progress.total if sent < 0 and progress is not None else sent


def promised(response: Any) -> Promised | None:
    """The call whose promise is being kept with the answer at hand, or a step of it."""
    first = response._promise.get_parameter("niquests_origin_response") or response
    found: Promised | None = vars(first).get("_monagent")
    if found is not None:
        found.response = first
    return found


def kept(promised: Promised | None, further: Any) -> None:
    """A promise was kept, unless it leads to `further`, the promise of the next answer."""
    if promised is None:
        return
    response, promised.response = promised.response, None
    if further is not None:
        resent(of_url(promised._request.url), "redirect")
    else:
        del response._monagent
        promised.kept(response)


def broken(promised: Promised | None, error: BaseException, response: Any) -> None:
    """A promise was not kept, or its answer was not to the liking of a hook of the application."""
    if promised is None:
        return
    promised.response = None
    if response.status_code and _http_client.refused_answer("niquests", error) is response:
        promised.kept(response)
    else:
        promised.broken(error)


def refused(error: Any, frame: Any) -> None:
    """A session refuses to send what it was given, such as an invalid URL."""
    sessions = sys.modules.get("niquests.sessions")
    prepare = getattr(getattr(sessions, "Session", None), "prepare_request", None)
    called = _http_client.caller({getattr(prepare, "__code__", None)}, frame)
    if called is not None:
        request = called.f_locals.get("request")
        calls_to(peer(UNKNOWN, None), getattr(request, "method", None)).unsent(error)
