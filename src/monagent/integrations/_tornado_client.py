"""Calls of Tornado's HTTP clients, by the future that `fetch` returns.

The simple client follows a redirect by a `fetch` of its own, which is part of the call; curl does
within. Errors of either have a text or a number where others have classes.
"""

from __future__ import annotations

from functools import partial

from monagent.clock import perf_counter
from monagent.conventions._peers import UNKNOWN, of_url
from monagent.conventions.http_client import CALLS, Calls, calls_to, resent
from monagent.integrations._http_client import declared, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FACTS = "monagent.facts"
"""On responses, and on errors without one: status or None, bytes sent and received (-1: not known),
redirects followed within."""

PARTS = "monagent.parts"
"""On a connection of the simple client: lengths of what was written of a body without a length."""

REDIRECTS = frozenset((301, 302, 303, 307, 308))

# https://curl.se/libcurl/c/libcurl-errors.html
CURL = {
    1: "protocol_error",
    3: "invalid_url",
    5: "proxy_error",
    6: "name_resolution_error",
    7: "connection_refused",
    8: "protocol_error",
    16: "protocol_error",
    18: "response_ended",
    35: "tls_error",
    47: "too_many_redirects",
    52: "response_ended",
    55: "connection_reset",
    56: "connection_reset",
    58: "tls_error",
    60: "server_certificate_invalid",
    61: "decoding_error",
    97: "proxy_error",
}
_TIMED_OUT = 28


def fetching(original: Any) -> Any:
    """Wrapper of `AsyncHTTPClient.fetch`."""

    def fetch(self: Any, request: Any, raise_error: bool = True, **kwargs: Any) -> Any:
        calls = None
        try:
            if request.__class__ is str:
                url, method = request, kwargs.get("method") or "GET"
            else:
                url, method = request.url, request.method
            if request.__class__ is not str and hasattr(request, "original_request"):
                resent(of_url(request.original_request.url), "redirect")
            else:
                end = url.find("/", 8)  # 8: behind https://
                key = (url if end < 0 else url[:end], method)
                try:
                    found = CALLS[key]
                except KeyError:
                    found = calls_to(of_url(url), method, key)
                found.mem[0][found.at] += 1.0
                calls, begun = found, perf_counter()
        except BaseException as error:
            if isinstance(getattr(request, "url", request), str):  # else Tornado says so
                failed("tornado", error)
        if calls is None:
            return original(self, request, raise_error, **kwargs)
        try:
            future = original(self, request, raise_error, **kwargs)
        except BaseException as error:
            try:
                calls.failed(perf_counter() - begun, error)
            except BaseException as ours:
                failed("tornado", ours)
            raise
        try:
            future.add_done_callback(partial(done, self, calls, begun))
        except BaseException as error:
            failed("tornado", error)
        return future

    return fetch


def done(client: Any, calls: Calls, begun: float, future: Any) -> None:
    """The call is over."""
    try:
        now = perf_counter()
        if future.cancelled():
            calls.failed_by("cancelled", now - begun)
            return
        # Its public methods would take an error that nobody looks at for one that somebody saw.
        error = future._exception
        response = future._result if error is None else getattr(error, "response", None)
        if response is None:
            broke(calls, now - begun, error)
        else:
            answered(client, calls, now - begun, response)
    except BaseException as error:
        failed("tornado", error)


def answered(client: Any, calls: Calls, seconds: float, response: Any) -> None:
    """The call has an answer."""
    status, request, now = response.code, response.request, perf_counter()
    if status >= 400 or now > calls.look:
        calls.heard(status, response.headers, now)
    _, sent, received, redirects = response.__dict__.pop(FACTS, None) or (None, -1, -1, 0)
    for _ in range(redirects):
        resent(calls.peer, "redirect")
    if status in REDIRECTS and "Location" in response.headers:
        follows = request.follow_redirects
        if client.defaults.get("follow_redirects") if follows is None else follows:
            calls.failed_by("too_many_redirects", seconds)
            return
    calls[status](seconds, uploaded(request, sent), received)


def uploaded(request: Any, counted: int) -> int:
    """Bytes of the body that was sent; -1 when they cannot be told."""
    if counted >= 0:
        return counted
    if request.body is not None:
        return len(request.body)
    return declared(request.headers) if request.body_producer is not None else 0


def broke(calls: Calls, seconds: float, error: Any) -> None:
    """The call has raised."""
    status, _, _, redirects = error.__dict__.pop(FACTS, None) or (None, -1, -1, 0)
    for _ in range(redirects):
        resent(calls.peer, "redirect")
    word = word_of(error)
    if calls.peer.address == UNKNOWN:  # Tornado looks up whatever stands there.
        word = "invalid_url"
    if word is None:
        calls.failed(seconds, error, status)
    else:
        calls.failed_by(word, seconds, None if word == "too_many_redirects" else status)


def word_of(error: Any) -> str | None:
    """What the text or number of one of Tornado's own errors says; None: its class says it."""
    name, text = type(error).__name__, str(error)
    if name == "HTTPStreamClosedError":
        return "response_ended"
    if name == "HTTPTimeoutError":
        if "request queue" in text:
            return "pool_timeout"
        return "read_timeout" if "during request" in text else "connect_timeout"
    if name != "CurlError":
        return None
    if error.errno == _TIMED_OUT:
        return "read_timeout" if "Operation timed out" in text else "connect_timeout"
    return CURL.get(error.errno)


def uploading(original: Any) -> Any:
    """Wrapper of `_HTTPConnection._write_body` of the simple client."""

    def _write_body(self: Any, start_read: bool) -> Any:
        try:
            if self.request.body is None and self.request.body_producer is not None:
                count_parts(self)
        except BaseException as error:
            failed("tornado", error)
        return original(self, start_read)

    return _write_body


def count_parts(client: Any) -> None:
    """The application writes the body in parts, by this method of the connection."""
    write = client.connection.write
    parts = client.__dict__[PARTS] = []

    def counted(chunk: bytes) -> Any:
        parts.append(len(chunk))
        return write(chunk)

    client.connection.write = counted


def counting(original: Any) -> Any:
    """Wrapper of `_HTTPConnection.data_received` of the simple client."""

    def data_received(self: Any, chunk: bytes) -> Any:
        try:
            own = self.__dict__
            own[FACTS] = own.get(FACTS, 0) + len(chunk)
        except BaseException as error:
            failed("tornado", error)
        return original(self, chunk)

    return data_received


def answering(original: Any) -> Any:
    """Wrapper of `_HTTPConnection._run_callback` of the simple client."""

    def _run_callback(self: Any, response: Any) -> None:
        try:
            received = self.__dict__.get(FACTS, 0)
            sent = sum(self.__dict__.get(PARTS, ())) if PARTS in self.__dict__ else -1
            if response.error is not None and not response._error_is_response_code:
                response.error.__dict__[FACTS] = (self.code, -1, -1, 0)
            elif "X-Consumed-Content-Encoding" in response.headers:
                response.__dict__[FACTS] = (None, sent, declared(response.headers), 0)
            else:
                response.__dict__[FACTS] = (None, sent, received, 0)
        except BaseException as error:
            failed("tornado", error)
        original(self, response)

    return _run_callback


def finishing_curl(original: Any) -> Any:
    """Wrapper of `CurlAsyncHTTPClient._finish`."""
    curl_of = __import__("pycurl")

    def _finish(self: Any, curl: Any, curl_error: Any = None, curl_message: Any = None) -> None:
        try:
            told(curl_of, curl)
        except BaseException as error:
            failed("tornado", error)
        original(self, curl, curl_error, curl_message)

    return _finish


def told(pycurl: Any, curl: Any) -> None:
    """Curl knows the sizes; they go with the response that is made next."""
    info = curl.info
    callback = info["callback"]
    facts = (
        curl.getinfo(pycurl.HTTP_CODE) or None,
        int(curl.getinfo(getattr(pycurl, "SIZE_UPLOAD_T", None) or pycurl.SIZE_UPLOAD)),
        int(curl.getinfo(getattr(pycurl, "SIZE_DOWNLOAD_T", None) or pycurl.SIZE_DOWNLOAD)),
        int(curl.getinfo(pycurl.REDIRECT_COUNT)),
    )

    def give(response: Any) -> None:
        try:
            (response if response.error is None else response.error).__dict__[FACTS] = facts
            response.__dict__[FACTS] = facts
        except BaseException as error:
            failed("tornado", error)
        callback(response)

    info["callback"] = give
