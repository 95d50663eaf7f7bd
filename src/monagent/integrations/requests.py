"""requests: every call of a session, redirects and the adapter's retries within.

The duration ends where `send` returns: with the body read, or with the headers under stream=True.
A streamed body is followed on urllib3's response; another adapter's is counted when its headers are
there.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._calls import by_url, ended_by_urllib3
from monagent.conventions._peers import UNKNOWN, of_url, peer
from monagent.conventions.http_client import (
    CALLS,
    LATEST,
    Calls,
    calls_to,
    first_by_url,
    number,
    resent,
)
from monagent.instrument import Library, replace
from monagent.integrations import _http_client, _urllib3_body
from monagent.integrations._http_client import OUTER, carry, carry_no_more, failed, inner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "requests",
    versions=">=2.28",
    records=("http_client",),
    covers="calls of sessions and of requests.get and its like, with redirects and retries",
)

UNSAID: Any = object()
"""An argument that was not given."""


@replace("requests.sessions", "Session.send")
def sending(original: Any) -> Any:
    reading = {sys.modules["requests.models"].Response.content.fget.__code__}
    mixin = sys.modules["requests.sessions"].SessionRedirectMixin
    redirecting = {mixin.resolve_redirects.__code__}
    following = set(map(id, redirecting))
    inner(sys.modules["requests.adapters"].HTTPAdapter.send, "requests", original)
    OUTER[sys.modules["requests.structures"].CaseInsensitiveDict] = "requests"

    # What sessions say themselves, by name: a dict of it would be made, read and handed on.
    def send(
        self: Any,
        request: Any,
        *,
        stream: Any = UNSAID,
        timeout: Any = UNSAID,
        verify: Any = UNSAID,
        cert: Any = UNSAID,
        proxies: Any = UNSAID,
        allow_redirects: Any = UNSAID,
        **others: Any,
    ) -> Any:
        calls = kwargs = None
        try:
            if allow_redirects is not False or not follows(following, request):
                headers = request.headers
                found = by_url(CALLS, LATEST, request.url, request.method)
                if found is None:
                    found = first_by_url(request.url, request.method)
                carry(headers)
                calls, begun = found, perf_counter()
        except BaseException as error:
            if isinstance(getattr(request, "url", None), str):  # else requests says so
                failed("requests", error)
        if (
            others
            or stream is UNSAID
            or timeout is UNSAID
            or verify is UNSAID
            or cert is UNSAID
            or proxies is UNSAID
            or allow_redirects is UNSAID
        ):
            named = {"stream": stream, "timeout": timeout, "verify": verify, "cert": cert}
            named |= {"proxies": proxies, "allow_redirects": allow_redirects, **others}
            kwargs = {name: value for name, value in named.items() if value is not UNSAID}
        try:
            if kwargs is None:
                response = original(
                    self, request, stream=stream, timeout=timeout, verify=verify, cert=cert,
                    proxies=proxies, allow_redirects=allow_redirects,
                )  # fmt: skip
            else:
                response = original(self, request, **kwargs)
        except BaseException as error:
            try:
                if calls is not None:
                    seconds = perf_counter() - begun
                    carry_no_more(headers)
                    judged = _http_client.judged
                    if not judged("requests", calls, seconds, error, request, redirecting):
                        broke(calls, seconds, error, reading)
            except BaseException as ours:
                failed("requests", ours)
            raise
        try:
            if calls is not None:
                carry_no_more(headers)
                if stream is UNSAID:
                    stream = self.stream
                if stream or not ended_by_urllib3(
                    calls, begun, response.status_code, response.raw, request.body
                ):
                    answered(calls, begun, request, response, stream)
        except BaseException as error:
            failed("requests", error)
        return response

    return send


def answered(calls: Calls, begun: float, request: Any, response: Any, stream: Any) -> None:
    """The call has its answer."""
    now = perf_counter()
    status, raw, body = number(response.status_code), response.raw, request.body
    if status >= 400 or now > calls.look:
        calls.heard(status, response.headers, now)
    sent = 0 if body is None else uploaded(request, raw)
    if stream and _urllib3_body.unfinished(raw):
        _urllib3_body.follow(raw, calls.streams(now - begun, status, sent))
    else:
        calls[status](now - begun, sent, _urllib3_body.received(raw))


@replace("requests.exceptions", "RequestException.__init__")
def refusing(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            refused(self, sys._getframe().f_back)
        except BaseException as error:
            failed("requests", error)

    return __init__


@replace("requests.auth", "HTTPDigestAuth.handle_401")
def identifying(original: Any) -> Any:
    def handle_401(self: Any, r: Any, **kwargs: Any) -> Any:
        answer = original(self, r, **kwargs)
        try:
            if answer is not r:
                resent(of_url(r.url), "auth")
        except BaseException as error:
            failed("requests", error)
        return answer

    return handle_401


def refused(error: Any, frame: Any) -> None:
    """A session refuses to send what it was given, such as an invalid URL."""
    sessions = sys.modules.get("requests.sessions")
    prepare = getattr(getattr(sessions, "Session", None), "prepare_request", None)
    called = _http_client.caller({getattr(prepare, "__code__", None)}, frame)
    if called is not None:
        request = called.f_locals.get("request")
        calls_to(peer(UNKNOWN, None), getattr(request, "method", None)).unsent(error)


def follows(following: Any, request: Any) -> bool:
    """Whether this is the next step of a call under way, whose redirects requests follows."""
    frame = sys._getframe(1).f_back
    if not _http_client.called_by(following, frame):
        return False
    resent(of_url(_http_client.first_asked(following, frame, request)), "redirect")
    return True


def broke(calls: Calls, seconds: float, error: BaseException, reading: Any) -> None:
    """The call has raised, perhaps while the body of an answer was read."""
    response = _http_client.locals_of(reading, error).get("self")
    calls.failed(seconds, error, getattr(response, "status_code", None))


def uploaded(request: Any, raw: Any) -> int:
    """Bytes of the body that was sent; -1 when they cannot be told."""
    body = request.body
    if type(body) is bytes:
        return len(body)
    sent = _urllib3_body.sent(raw)
    return _http_client.declared(request.headers) if sent < 0 else sent
