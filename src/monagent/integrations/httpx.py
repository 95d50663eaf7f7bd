"""httpx: every call of a client, sync and async, redirects and authentication steps within.

The duration ends where `send` returns: with the body read, or with the headers under stream=True.
Calls over in-process transports (ASGI, WSGI, mocks) count like any other, and so do the calls that
the application inside makes.
"""

from __future__ import annotations

import sys

from monagent.conventions._peers import UNKNOWN, Peer, by_origin, of, peer
from monagent.conventions.http_client import Outgoing, unsent
from monagent.instrument import Library, replace
from monagent.integrations import _http_client, _httpx_body
from monagent.integrations._http_client import failed, measured, measured_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "httpx",
    versions=">=0.24,<1",
    records=("http_client",),
    covers="calls of clients, sync and async, with redirects; streams; in-process transports",
)


@replace("httpx._client", "Client.send")
def send(original: Any) -> Any:
    client, models = sys.modules["httpx._client"], sys.modules["httpx._models"]
    broke = broke_by(client.Client, models.Response.read)
    return measured("httpx", original, began, returned, broke)


@replace("httpx._client", "AsyncClient.send")
def send_async(original: Any) -> Any:
    client, models = sys.modules["httpx._client"], sys.modules["httpx._models"]
    broke = broke_by(client.AsyncClient, models.Response.aread)
    return measured_async("httpx", original, began, returned, broke)


@replace("httpx._client", "BaseClient.build_request")
def building(original: Any) -> Any:
    def build_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except Exception as error:
            try:
                unsent(peer(UNKNOWN, None), args[0] if args else kwargs.get("method"), error)
            except BaseException as ours:
                failed("httpx", ours)
            raise

    return build_request


@replace("httpx._content", "IteratorByteStream.__iter__")
def uploading(original: Any) -> Any:
    return _httpx_body.counting(original)


@replace("httpx._content", "AsyncIteratorByteStream.__aiter__")
def uploading_async(original: Any) -> Any:
    return _httpx_body.counting_async(original)


def began(
    _: Outgoing | None, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Outgoing:
    """The call that begins here. Over httpx's own transports no other client is beneath it."""
    request = args[0] if args else kwargs["request"]
    transport = type(client._transport)
    try:
        owner = client if _foreign[transport] else None
    except KeyError:
        foreign = _foreign[transport] = transport.__module__.partition(".")[0] != "httpx"
        owner = client if foreign else None
    return Outgoing(_peer(request.url), request.method, owner)


def returned(
    outgoing: Outgoing, response: Any, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The call has given its answer."""
    request = args[0] if args else kwargs["request"]
    content = vars(request).get("_content")
    sent = len(content) if type(content) is bytes else _httpx_body.uploaded(request)
    if response.history:
        followed(outgoing, response.history)
    status, headers = response.status_code, response.headers
    if not kwargs.get("stream") or not _httpx_body.follow(response, outgoing, status, sent):
        outgoing.answered(status, headers, sent, response.num_bytes_downloaded)


def broke_by(client: Any, reader: Any) -> Any:
    """What to do when a call raises, perhaps between redirects or while its answer was read."""
    redirecting = {client._send_handling_redirects.__code__}
    reading = {reader.__code__}

    def broke(outgoing: Outgoing, error: BaseException) -> None:
        history = _http_client.locals_of(redirecting, error).get("history", ())
        too_many = type(error).__name__ == "TooManyRedirects"  # nothing was sent for the last
        followed(outgoing, history[:-1] if too_many else history)
        response = _http_client.locals_of(reading, error).get("self")
        outgoing.failed(error, getattr(response, "status_code", None))

    return broke


def followed(outgoing: Outgoing, history: Any) -> None:
    """The answers before the last one, each of which made httpx send once more."""
    for step in history:
        outgoing.resent("redirect" if step.has_redirect_location else "auth")


def _peer(url: Any) -> Peer:
    try:
        parts = url._uri_reference  # Its public properties cost 1 µs.
        return by_origin[parts.scheme, parts.host, parts.port]
    except (AttributeError, KeyError):
        return of(url.scheme, url.host, url.port)


_foreign: dict[type, bool] = {}
