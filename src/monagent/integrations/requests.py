"""requests: every call of a session, redirects and the adapter's retries within.

The duration ends where `send` returns: with the body read, or with the headers under stream=True.
A streamed body is followed by the integration of urllib3; without it such a call is counted as soon
as its headers are there.
"""

from __future__ import annotations

import sys

from monagent.conventions._peers import UNKNOWN, of_url, peer
from monagent.conventions.http_client import Outgoing, unsent
from monagent.instrument import Library, replace
from monagent.integrations import _http_client, _urllib3_body
from monagent.integrations._http_client import failed, measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "requests",
    versions=">=2.28",
    records=("http_client",),
    covers="calls of sessions and of requests.get and its like, with redirects and retries",
)


@replace("requests.sessions", "Session.send")
def session(original: Any) -> Any:
    reading = {sys.modules["requests.models"].Response.content.fget.__code__}

    def broke(outgoing: Outgoing, error: BaseException) -> None:
        response = _http_client.locals_of(reading, error).get("self")
        outgoing.failed(error, getattr(response, "status_code", None))

    return measured("requests", original, began, returned, broke)


@replace("requests.sessions", "Session.prepare_request")
def preparing(original: Any) -> Any:
    def prepare_request(self: Any, request: Any) -> Any:
        try:
            return original(self, request)
        except Exception as error:
            try:
                unsent(peer(UNKNOWN, None), getattr(request, "method", None), error)
            except BaseException as ours:
                failed("requests", ours)
            raise

    return prepare_request


def began(
    outer: Outgoing | None, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Outgoing | None:
    """The call that begins here; None when it belongs to the one under way."""
    if outer is not None and outer.owner is session:
        outer.resent("redirect" if kwargs.get("allow_redirects") is False else "other")
        return None
    request = args[0] if args else kwargs["request"]
    return Outgoing(of_url(request.url), request.method, session)


def returned(
    outgoing: Outgoing, response: Any, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The call has given its answer."""
    request = args[0] if args else kwargs["request"]
    body = request.body
    sent = 0 if body is None else len(body) if type(body) is bytes else uploaded(outgoing, request)
    raw, status = response.raw, response.status_code
    stream = kwargs.get("stream")
    if (session.stream if stream is None else stream) and _urllib3_body.unfinished(raw):
        _urllib3_body.follow(raw, outgoing.streams(status, response.headers, sent))
    else:
        outgoing.answered(status, response.headers, sent, _urllib3_body.received(raw))


def uploaded(outgoing: Outgoing, request: Any) -> int | None:
    """Bytes of a body that is not simply bytes."""
    if outgoing.upload is not None:
        return outgoing.upload.sent
    return _http_client.declared(request.headers)
