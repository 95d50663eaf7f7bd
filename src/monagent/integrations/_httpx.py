"""How httpx and its successor httpx2 are watched: the wrappers, for the library of either name."""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._calls import by_httpx, ended_by_httpx
from monagent.conventions._peers import UNKNOWN, of, peer
from monagent.conventions.http_client import CALLS, LATEST_BY_PARTS, Calls, calls_to, resent
from monagent.integrations import _http_client, _httpx_body
from monagent.integrations._http_client import failed, sends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sending(library: str, original: Any) -> Any:
    """Wrapper of `Client.send`."""
    client, models = sys.modules[f"{library}._client"], sys.modules[f"{library}._models"]
    codes = codes_of(client.Client, models.Response.read)
    unset = client.USE_CLIENT_DEFAULT

    # Parameters that every version has, by name: to hand on a dict of them costs 1 µs.
    def send(
        self: Any,
        request: Any,
        *,
        stream: Any = False,
        auth: Any = unset,
        follow_redirects: Any = unset,
        **others: Any,
    ) -> Any:
        calls = None
        try:
            calls = by_httpx(CALLS, LATEST_BY_PARTS, request)
            if calls is None:
                calls = first(request)
            begun = perf_counter()
        except BaseException as error:
            if hasattr(request, "url"):  # else it is no request, and httpx says so
                failed(library, error)
        try:
            if others:
                response = original(
                    self, request,
                    stream=stream, auth=auth, follow_redirects=follow_redirects, **others,
                )  # fmt: skip
            else:
                response = original(
                    self, request, stream=stream, auth=auth, follow_redirects=follow_redirects
                )
        except BaseException as error:
            try:
                if calls is not None:
                    broke(calls, perf_counter() - begun, error, codes)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            if calls is not None and (
                stream is not False or not ended_by_httpx(calls, begun, request, response)
            ):
                answered(calls, begun, request, response, stream)
        except BaseException as error:
            failed(library, error)
        return response

    return send


def sending_async(library: str, original: Any) -> Any:
    """Wrapper of `AsyncClient.send`."""
    client, models = sys.modules[f"{library}._client"], sys.modules[f"{library}._models"]
    codes = codes_of(client.AsyncClient, models.Response.aread)
    unset = client.USE_CLIENT_DEFAULT
    sends(original, library)

    async def send(
        self: Any,
        request: Any,
        *,
        stream: Any = False,
        auth: Any = unset,
        follow_redirects: Any = unset,
        **others: Any,
    ) -> Any:
        calls = None
        try:
            calls = by_httpx(CALLS, LATEST_BY_PARTS, request)
            if calls is None:
                calls = first(request)
            begun = perf_counter()
        except BaseException as error:
            if hasattr(request, "url"):  # else it is no request, and httpx says so
                failed(library, error)
        try:
            if others:
                response = await original(
                    self, request,
                    stream=stream, auth=auth, follow_redirects=follow_redirects, **others,
                )  # fmt: skip
            else:
                response = await original(
                    self, request, stream=stream, auth=auth, follow_redirects=follow_redirects
                )
        except BaseException as error:
            try:
                if calls is not None:
                    broke(calls, perf_counter() - begun, error, codes)
            except BaseException as ours:
                failed(library, ours)
            raise
        try:
            if calls is not None and (
                stream is not False or not ended_by_httpx(calls, begun, request, response)
            ):
                answered(calls, begun, request, response, stream)
        except BaseException as error:
            failed(library, error)
        return response

    return send


def first(request: Any) -> Calls:
    """A call begins, the first of its method to its server."""
    calls = met(request)
    calls.mem[0][calls.at] += 1.0
    return calls


def answered(calls: Calls, begun: float, request: Any, response: Any, stream: Any) -> None:
    """The call has its answer."""
    now = perf_counter()
    status = response.status_code
    if status >= 400 or now > calls.look:
        calls.heard(status, response.headers, now)
    returned(calls, now - begun, request, response, stream)


def misnaming(library: str, original: Any) -> Any:
    """Wrapper of `InvalidURL.__init__`, which costs nothing as long as URLs are valid."""

    def __init__(self: Any, message: str) -> None:
        original(self, message)
        try:
            misnamed(library, self, sys._getframe().f_back)
        except BaseException as error:
            failed(library, error)

    return __init__


def misnamed(library: str, error: Any, frame: Any) -> None:
    """A URL is invalid: a failed call, unless the application has made it by itself."""
    client = getattr(sys.modules.get(f"{library}._client"), "BaseClient", None)
    building = getattr(getattr(client, "build_request", None), "__code__", None)
    called = _http_client.caller({building}, frame)
    if called is not None:
        calls_to(peer(UNKNOWN, None), called.f_locals.get("method")).unsent(error)


def met(request: Any) -> Calls:
    """The first call of a method to a server."""
    url, method = request.url, request.method
    key = (url.scheme, url.host, url.port)
    return calls_to(of(*key), method, (*key, method))


def returned(calls: Calls, seconds: float, request: Any, response: Any, stream: Any) -> None:
    """The call has given an answer out of the ordinary: streams, redirects."""
    content = getattr(request, "_content", None)
    sent = len(content) if isinstance(content, bytes) else _httpx_body.uploaded(request)
    followed(calls, response.history)
    if stream and _httpx_body.streams(response):
        _httpx_body.follow(response, calls.streams(seconds, response.status_code, sent))
    else:
        calls[response.status_code](seconds, sent, response.num_bytes_downloaded)


def broke(calls: Calls, seconds: float, error: BaseException, codes: Any) -> None:
    """The call has raised, perhaps between redirects or while its answer was read."""
    redirecting, reading = codes
    response: Any = _http_client.locals_of(reading, error).get("self")
    history = getattr(response, "history", ())
    found = _http_client.locals_of(redirecting, error)
    history = found.get("history", history)
    answer = found.get("response")
    if response is None and answer is not None and answer not in history:
        response = answer  # A hook of the application has raised.
    too_many = type(error).__name__ == "TooManyRedirects"  # nothing was sent for the last
    followed(calls, history[:-1] if too_many else history)
    judged = type(error).__name__ == "HTTPStatusError" and response is not None
    judged = judged and vars(error).get("response") is response
    if judged:
        calls.heard(response.status_code, response.headers, perf_counter())
        calls[response.status_code](seconds, -1, -1)
    else:
        calls.failed(seconds, error, getattr(response, "status_code", None))


def codes_of(client: Any, reader: Any) -> Any:
    """The functions that follow redirects, and that read the body of an answer."""
    return {client._send_handling_redirects.__code__}, {reader.__code__}


def followed(calls: Calls, history: Any) -> None:
    """The answers before the last one, each of which made httpx send once more."""
    for step in history:
        resent(calls.peer, "redirect" if step.has_redirect_location else "auth")
