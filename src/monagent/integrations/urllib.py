"""urllib.request: every call of an opener and of `urlopen`, redirects and authentication within.

The duration ends where `open` returns or raises an answer as HTTPError, with the body to come.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._peers import of_url
from monagent.conventions.http_client import CALLS, Calls, calls_to, number, resent, throttled
from monagent.instrument import Library, replace
from monagent.integrations import _http_answer, _http_client
from monagent.integrations._http_client import failed, inner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "urllib",
    versions="",
    records=("http_client",),
    covers="calls of urllib.request's openers and urlopen over HTTP, with redirects",
)

SCHEMES = ("http:", "https")


@replace("urllib.request", "OpenerDirector.open")
def opening(original: Any) -> Any:
    request = sys.modules["urllib.request"]
    inner(request.AbstractHTTPHandler.do_open, "urllib")
    opens = {original.__code__}
    answer = sys.modules["urllib.error"].HTTPError
    endless: str = request.HTTPRedirectHandler.inf_msg

    def opened(self: Any, fullurl: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        calls = None
        try:
            calls = begin(fullurl, data, opens)
            begun = perf_counter()
        except BaseException as error:
            failed("urllib", error)
        if calls is None:
            return original(self, fullurl, data, *args, **kwargs)
        try:
            response = original(self, fullurl, data, *args, **kwargs)
        except BaseException as error:
            try:
                seconds = perf_counter() - begun
                # An HTTPError is an answer, save one whose redirects came to no end.
                if isinstance(error, answer) and not str(error.msg).startswith(endless):
                    answered(calls, seconds, error.fp, error.code, error.headers, fullurl, data)
                else:
                    calls.failed(seconds, error)
            except BaseException as ours:
                failed("urllib", ours)
            raise
        try:
            seconds = perf_counter() - begun
            status = getattr(response, "status", None)
            headers = getattr(response, "headers", None)
            answered(calls, seconds, response, status, headers, fullurl, data)
        except BaseException as error:
            failed("urllib", error)
        return response

    return opened


def begin(request: Any, data: Any, opens: Any) -> Calls | None:
    """One more call is under way; None for another scheme, for a step of a call under way, and for
    what is no request."""
    text = isinstance(request, str)
    url = request.strip() if text else getattr(request, "full_url", None)
    if not isinstance(url, str) or url[:5].lower() not in SCHEMES:
        return None
    if not text and stepping(request, url, opens):
        return None
    method = ("GET" if data is None else "POST") if text else method_of(request, data)
    end = url.find("/", 8)  # behind https://
    key = (url if end < 0 else url[:end], method)
    try:
        calls = CALLS[key]
    except KeyError:
        calls = calls_to(of_url(url), method, key)
    calls.mem[0][calls.at] += 1.0
    return calls


def stepping(request: Any, url: str, opens: Any) -> bool:
    """Whether an opener sends this request as the next step of a call of its own.

    What it was redirected to shares a dict with the request before; what it sends once more has got
    its timeout before. That is so for an answer of the step before, which asked for a password or
    was none that a handler of the application takes; or nothing was sent yet, as when the request
    is turned to a proxy.
    """
    again = hasattr(request, "timeout")
    if not again and not hasattr(request, "redirect_dict"):
        return False
    step = _http_client.caller(opens, sys._getframe(2))
    if step is None:
        return False
    before = step.f_locals.get("response")
    status = number(getattr(before, "status", None))
    if not again:
        resent(of_url(url), "redirect")
    elif status:
        found = of_url(url)
        resent(found, "auth" if status in (401, 407) else "status")
        throttled(found, status, before.headers)
    return True


def method_of(request: Any, data: Any) -> str:
    """The method as `open` will find it."""
    method = getattr(request, "method", None)
    if method is None and data is not None:
        return "POST"
    return str(method or request.get_method())


def answered(
    calls: Calls, seconds: float, response: Any, status: Any, headers: Any, request: Any, data: Any
) -> None:
    """The call has an answer, its own or one that a handler of the application made."""
    status = number(status)
    if not status:
        calls.active(-1.0)
        return
    now = perf_counter()
    if headers is not None and (status >= 400 or now > calls.look):
        calls.heard(status, headers, now)
    if isinstance(request, str):
        sent = _http_answer.length(data)
    else:
        sent = _http_answer.length(request.data, request.headers, request.unredirected_hdrs)
    if sent < 0:
        sent = _http_answer.sent(response)
    if isinstance(response, sys.modules["http.client"].HTTPResponse):
        _http_answer.follow("urllib", response, calls, seconds, sent)
    else:
        calls[status](seconds, sent, -1)
