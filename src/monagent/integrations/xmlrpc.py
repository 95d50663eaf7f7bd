"""xmlrpc.client: every call of a proxy that the library's own transports send.

It puts its requests together by `putrequest`, where http.client is not watched. A transport that
sends by another client leaves the counting to that.
"""

from __future__ import annotations

import sys

from monagent.clock import perf_counter
from monagent.conventions._peers import of_url
from monagent.conventions.http_client import CALLS, Calls, calls_to
from monagent.instrument import Library, replace
from monagent.integrations._http_client import failed, length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "xmlrpc",
    versions="",
    records=("http_client",),
    covers="calls of xmlrpc.client's proxies over HTTP, with the further try of a lost connection",
)


@replace("xmlrpc.client", "Transport.request")
def requesting(original: Any) -> Any:
    client = sys.modules["xmlrpc.client"]
    single, sending = client.Transport.single_request, client.Transport.send_request
    fault, refusal = client.Fault, client.ProtocolError

    def request(self: Any, host: Any, handler: Any, request_body: Any, verbose: Any = False) -> Any:
        calls = None
        try:
            kind = type(self)
            if kind.single_request is single and kind.send_request is sending:
                # Above its threshold a transport compresses.
                sent = length(request_body) if self.encode_threshold is None else -1
                begun = perf_counter()
                calls = begin("https" if isinstance(self, client.SafeTransport) else "http", host)
        except BaseException as error:
            failed("xmlrpc", error)
        if calls is None:
            return original(self, host, handler, request_body, verbose)
        try:
            answer = original(self, host, handler, request_body, verbose)
        except BaseException as error:
            try:
                seconds = perf_counter() - begun
                if isinstance(error, refusal):
                    calls.heard(error.errcode, error.headers, perf_counter())
                    calls[error.errcode](seconds, sent, -1)
                elif isinstance(error, fault):  # the answer of the method called
                    calls[OK](seconds, sent, -1)
                else:
                    calls.failed(seconds, error)
            except BaseException as ours:
                failed("xmlrpc", ours)
            raise
        try:
            calls[OK](perf_counter() - begun, sent, -1)
        except BaseException as error:
            failed("xmlrpc", error)
        return answer

    return request


OK = 200
"""The only status whose answer the library reads."""


def begin(scheme: str, host: Any) -> Calls:
    """One more call is under way, to `user:password@name:port` or a pair of that and a key."""
    name = host[0] if isinstance(host, tuple) else host
    key = (f"{scheme}://{name}", "POST")
    try:
        calls = CALLS[key]
    except KeyError:
        calls = calls_to(of_url(key[0]), "POST", key)
    calls.mem[0][calls.at] += 1.0
    return calls
