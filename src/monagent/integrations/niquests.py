"""niquests: every call of a session, sync and async, redirects and the adapter's retries within.

The duration ends where `send` returns: with the body read, or with the headers under stream=True.
The answer of a multiplexed session is a promise; its call ends when the promise is kept. urllib3's
fork beneath takes urllib3's place or stands beside it, and counts no call of niquests.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._peers import of_url
from monagent.conventions.http_client import CALLS, Calls, calls_to, resent
from monagent.instrument import Library, replace
from monagent.integrations import _http_client, _niquests_body
from monagent.integrations._http_client import OUTER, failed, inner
from monagent.integrations._niquests_body import Promised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

LIBRARY = Library(
    "niquests",
    versions=">=3.14",
    records=("http_client",),
    covers="calls of sessions, sync, async and multiplexed, with redirects and retries",
)


@replace("niquests.sessions", "Session.send")
def sending(original: Any) -> Any:
    redirecting = prepare("niquests.sessions", "Session", "HTTPAdapter")
    following = set(map(id, redirecting))

    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        calls = None
        try:
            if kwargs.get("allow_redirects") is not False or not follows(following, request):
                calls = begin(request)
                begun = perf_counter()
        except BaseException as error:
            if isinstance(getattr(request, "url", None), str):  # else niquests says so
                failed("niquests", error)
        if calls is None:
            return original(self, request, **kwargs)
        try:
            response = original(self, request, **kwargs)
        except BaseException as error:
            try:
                broke(calls, perf_counter() - begun, error, request, redirecting)
            except BaseException as ours:
                failed("niquests", ours)
            raise
        try:
            answered(calls, begun, request, response, kwargs.get("stream", self.stream))
        except BaseException as error:
            failed("niquests", error)
        return response

    return send


@replace("niquests.async_session", "AsyncSession.send")
def async_sending(original: Any) -> Any:
    redirecting = prepare("niquests.async_session", "AsyncSession", "AsyncHTTPAdapter")
    following = set(map(id, redirecting))

    async def send(self: Any, request: Any, **kwargs: Any) -> Any:
        calls = None
        try:
            if kwargs.get("allow_redirects") is not False or not follows(following, request):
                calls = begin(request)
                begun = perf_counter()
        except BaseException as error:
            if isinstance(getattr(request, "url", None), str):  # else niquests says so
                failed("niquests", error)
        if calls is None:
            return await original(self, request, **kwargs)
        try:
            response = await original(self, request, **kwargs)
        except BaseException as error:
            try:
                broke(calls, perf_counter() - begun, error, request, redirecting)
            except BaseException as ours:
                failed("niquests", ours)
            raise
        try:
            answered(calls, begun, request, response, kwargs.get("stream", self.stream))
        except BaseException as error:
            failed("niquests", error)
        return response

    return send


@replace("niquests.adapters", "HTTPAdapter._future_handler", optional=True)
def keeping(original: Any) -> Any:
    def _future_handler(self: Any, response: Any, low_resp: Any) -> Any:
        promised = None
        try:
            promised = _niquests_body.promised(response)
        except BaseException as error:
            failed("niquests", error)
        try:
            further = original(self, response, low_resp)
        except BaseException as error:
            try:
                _niquests_body.broken(promised, error, response)
            except BaseException as ours:
                failed("niquests", ours)
            raise
        try:
            _niquests_body.kept(promised, further)
        except BaseException as error:
            failed("niquests", error)
        return further

    return _future_handler


@replace("niquests.adapters", "AsyncHTTPAdapter._future_handler", optional=True)
def async_keeping(original: Any) -> Any:
    async def _future_handler(self: Any, response: Any, low_resp: Any) -> Any:
        promised = None
        try:
            promised = _niquests_body.promised(response)
        except BaseException as error:
            failed("niquests", error)
        try:
            further = await original(self, response, low_resp)
        except BaseException as error:
            try:
                _niquests_body.broken(promised, error, response)
            except BaseException as ours:
                failed("niquests", ours)
            raise
        try:
            _niquests_body.kept(promised, further)
        except BaseException as error:
            failed("niquests", error)
        return further

    return _future_handler


@replace("niquests.exceptions", "RequestException.__init__")
def refusing(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            _niquests_body.refused(self, sys._getframe().f_back)
        except BaseException as error:
            failed("niquests", error)

    return __init__


@replace("niquests.auth", "HTTPDigestAuth.handle_401")
def identifying(original: Any) -> Any:
    def handle_401(self: Any, r: Any, **kwargs: Any) -> Any:
        answer = original(self, r, **kwargs)
        try:
            if answer is not r:
                resent(of_url(r.url), "auth")
        except BaseException as error:
            failed("niquests", error)
        return answer

    return handle_401


@replace("niquests.auth", "HTTPDigestAuth.async_handle_401", optional=True)
def async_identifying(original: Any) -> Any:
    async def async_handle_401(self: Any, r: Any, **kwargs: Any) -> Any:
        answer = await original(self, r, **kwargs)
        try:
            if answer is not r:
                resent(of_url(r.url), "auth")
        except BaseException as error:
            failed("niquests", error)
        return answer

    return async_handle_401


def prepare(module: str, session: str, adapter: str) -> set[CodeType]:
    """Tell urllib3 who counts; gives the code that sends the steps of a call under way."""
    inner(getattr(sys.modules["niquests.adapters"], adapter).send, "niquests")
    OUTER[sys.modules["niquests.structures"].CaseInsensitiveDict] = "niquests"
    return {getattr(sys.modules[module], session).resolve_redirects.__code__}


def begin(request: Any) -> Calls:
    """One more call is under way."""
    url: str = request.url
    end = url.find("/", 8)  # behind https://
    key = (url if end < 0 else url[:end], request.method)
    try:
        calls = CALLS[key]
    except KeyError:
        calls = calls_to(of_url(url), request.method, key)
    calls.mem[0][calls.at] += 1.0
    return calls


def follows(following: Any, request: Any) -> bool:
    """Whether this is the next step of a call under way, whose redirects niquests follows."""
    frame = sys._getframe(1).f_back
    if not _http_client.called_by(following, frame):
        return False
    resent(of_url(_http_client.first_asked(following, frame, request)), "redirect")
    return True


def answered(calls: Calls, begun: float, request: Any, response: Any, stream: Any) -> None:
    """The call has its answer, or the promise of one."""
    if getattr(response, "lazy", False):
        response._monagent = Promised(calls, begun, request)
    else:
        _niquests_body.finish(calls, begun, request, response, stream)


def broke(
    calls: Calls, seconds: float, error: BaseException, request: Any, redirecting: Any
) -> None:
    """The call has raised, perhaps for its status or while the body of an answer was read."""
    if _http_client.judged("niquests", calls, seconds, error, request, redirecting):
        return
    models = sys.modules["niquests.models"]
    reading = {kind.content.fget.__code__ for kind in (models.Response, models.AsyncResponse)}
    response = _http_client.locals_of(reading, error).get("self")
    calls.failed(seconds, error, getattr(response, "status_code", None))
