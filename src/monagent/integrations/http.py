"""http.client: calls made with `HTTPConnection.request`, each step a call of its own.

urllib3 sends without `request`, or is told by the class of its connections, and counts for itself.
The duration ends where `getresponse` returns, with the body to come. A call that a program puts
together by `putrequest` and `endheaders` is not seen; xmlrpc, which does, has its own integration.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._peers import of
from monagent.conventions.http_client import CALLS, Calls, Upload, _forks, calls_to
from monagent.instrument import Library, replace
from monagent.integrations import _http_answer, _http_client
from monagent.integrations._http_client import INNER, Reading, called_by, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "http",
    versions="",
    records=("http_client",),
    covers="calls of http.client's connections by `request`, also beneath httplib2 and its like",
)

COUNTED = ("urllib3", "urllib3_future")
"""Packages whose connections are counted by integrations of their own."""

_MOST_KINDS = 200
_kinds: dict[type, bool] = {}


class Awaited:
    """The call whose answer a connection has not been asked for yet, on that connection.

    An answer that nobody asked for is a call that was cancelled, when the connection is closed or
    this goes.
    """

    __slots__ = ("_begun", "_calls", "_forks", "_sent")

    def __init__(self, calls: Calls | None, begun: float, sent: Upload | Reading | int) -> None:
        self._calls = calls
        self._begun = begun
        self._sent = sent
        self._forks = _forks[0]

    def answered(self, response: Any) -> None:
        """Here it is."""
        now = perf_counter()
        calls, self._calls = self._calls, None
        sent = self._sent
        if not isinstance(sent, int):
            _http_answer.taken(response, sent)
            sent = sent.sent
        if calls is not None:
            if response.status >= 400 or now > calls.look:
                calls.heard(response.status, response.headers, now)
            _http_answer.follow("http", response, calls, now - self._begun, sent)

    def failed(self, error: BaseException) -> None:
        """There will be none."""
        calls, self._calls = self._calls, None
        if calls is not None:
            calls.failed(perf_counter() - self._begun, error)

    def dropped(self) -> None:
        """Nobody will ask for it. In a forked child it is the parent's call."""
        if self._forks == _forks[0]:
            self.failed(GeneratorExit())

    def __reduce__(self) -> Any:  # A copy of the connection makes no call.
        return Awaited, (None, 0.0, 0)

    def __del__(self) -> None:
        try:
            if getattr(self, "_calls", None) is not None:  # not there if its making has failed
                self.dropped()
        except BaseException as error:
            failed("http", error)


@replace("http.client", "HTTPConnection.getresponse")
def answering(original: Any) -> Any:
    def getresponse(self: Any) -> Any:
        awaited = None
        try:
            awaited = getattr(self, "_monagent_call", None)
            if awaited is not None:
                self._monagent_call = None
        except BaseException as error:
            failed("http", error)
        if awaited is None:
            return original(self)
        try:
            response = original(self)
        except BaseException as error:
            try:
                awaited.failed(error)
            except BaseException as ours:
                failed("http", ours)
            raise
        try:
            awaited.answered(response)
        except BaseException as error:
            failed("http", error)
        return response

    return getresponse


@replace("http.client", "HTTPConnection.request")
def asking(original: Any) -> Any:
    # Parameters that every version has, by name: to hand on a dict costs a microsecond.
    def request(
        self: Any,
        method: Any,
        url: Any,
        body: Any = None,
        headers: Any = NONE,
        *,
        encode_chunked: Any = False,
    ) -> Any:
        awaited = calls = None
        upload: Upload | Reading | None = None
        begun = perf_counter()
        try:
            theirs = _kinds.get(self.__class__)
            if theirs is None:
                theirs = counted(self.__class__)
            if not theirs:
                length = 0 if body is None else _http_answer.length(body, headers)
                if length < 0:
                    if _http_client.endless(body):
                        body = upload = Upload(body)
                    else:
                        upload = _http_client.reading(body)
                if not called_by(INNER, sys._getframe().f_back):
                    scheme = "https" if self.default_port == 443 else "http"
                    if self._tunnel_host:
                        key = (scheme, self._tunnel_host, self._tunnel_port, method)
                    else:
                        key = (scheme, self.host, self.port, method)
                    try:
                        found = CALLS[key]
                    except KeyError:
                        found = calls_to(of(*key[:3]), method, key)
                    found.mem[0][found.at] += 1.0
                    calls = found
                if upload is not None or calls is not None:
                    awaited = Awaited(calls, begun, length if upload is None else upload)
        except BaseException as error:
            failed("http", error)
        try:
            result = original(self, method, url, body, headers, encode_chunked=encode_chunked)
        except BaseException as error:
            try:
                if awaited is not None:
                    awaited.failed(error)
            except BaseException as ours:
                failed("http", ours)
            raise
        try:
            if awaited is not None:
                self._monagent_call = awaited
        except BaseException as error:
            failed("http", error)
        return result

    return request


@replace("http.client", "HTTPConnection.close")
def closing(original: Any) -> Any:
    # `getresponse` also closes, and goes on with the answer: its call is no longer awaited then.
    def close(self: Any) -> Any:
        try:
            awaited = getattr(self, "_monagent_call", None)
            if awaited is not None:
                self._monagent_call = None
                awaited.dropped()
        except BaseException as error:
            failed("http", error)
        return original(self)

    return close


NONE: dict[str, str] = {}
"""The default of `headers`, which http.client only reads."""


def counted(kind: type) -> bool:
    """Whether connections of this class are somebody else's to count."""
    if len(_kinds) >= _MOST_KINDS:
        _kinds.clear()
    packages = [base.__module__.partition(".")[0] for base in kind.__mro__]
    _kinds[kind] = not set(packages).isdisjoint(COUNTED)
    return _kinds[kind]
