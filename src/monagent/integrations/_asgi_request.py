"""A request over ASGI, between what the application says and what the server gets to hear.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import sys
from operator import attrgetter
from types import CoroutineType

from monagent.clock import perf_counter
from monagent.conventions import http
from monagent.conventions._exchange import Exchange, Rare
from monagent.conventions._plain import Sender, asks, coroutines_are, ended, leavers
from monagent.conventions.realtime import EventStream
from monagent.integrations._asgi_messages import (
    BODY,
    LENGTH,
    declared,
    extension,
    header,
    legible,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[Any]]
    Headers = Iterable[tuple[bytes, bytes]]

FRESH, STREAMING, LAST = 0, 1, 2
"""Of a response's body: nothing sent, a part sent, the last part on its way."""

gone: list[Callable[[Request], object]] = []
"""Says of a request whether its client has left; see `tells_who_left`."""

held: list[Callable[[Request], bool]] = []
"""Says of a request whose application has broken off whether the server has sent nothing yet, and
so still answers 500: some hold the head of an answer back until its body begins."""

if asks is not None:
    asks(gone)
    coroutines_are(CoroutineType)


def paths_of(scope: Scope) -> list[str]:
    """The request's path, and, where a server puts a root path in front of it, as it was asked."""
    path, root = scope.get("path", ""), scope.get("root_path")
    return [path, path[len(root) :]] if root and path.startswith(root) else [path]


class Request(Exchange, Sender):  # type: ignore[misc]  # that is in C, or nothing
    """A request over ASGI: stands between the application and what the server gave it.

    Attributes:
        receive, send: the server's.
        stage: FRESH, STREAMING or LAST.
        head: the start of the response, once there was one.
        trailers: they follow the body.
        length: bytes of the body that were promised; without a promise no body has so many.
    """

    __slots__ = ()
    receive: Receive
    send: Send
    stage: int
    head: Message
    trailers: bool = Rare(False)  # type: ignore[assignment]  # what it holds
    length = float("inf")

    async def receiving(self) -> Message:
        """The application's `receive`."""
        message = await self.receive()
        try:
            kind = message["type"]
            if kind == "http.request":
                self.received += len(message.get("body") or b"")
            elif kind == "http.disconnect" and self.stage != LAST:
                self.gone = True
        except BaseException as error:
            http.failed(error)
        return message

    # No coroutine of ours where the server's own will do; `marked` says that it gives one.
    def sending(self, message: Message) -> Awaitable[Any]:
        """The application's `send`."""
        try:
            self.saying(message)
        except BaseException as error:
            http.failed(error)
        if not self.stage:
            return self.send(message)
        return self.ending(message) if self.stage == LAST else self.passing(message)

    def saying(self, message: Message) -> None:
        """Note what the application says."""
        try:
            kind = message["type"]
            if kind == "http.response.start":
                self.head = message
                # Starlette says the length first; what has one is no stream of events.
                if message["headers"][0][0] != LENGTH or "trailers" in message:
                    self.starting(message)
                if gone and gone[0](self):
                    self.gone = True
                # Nobody gets to know a second one, nor does a client that has left.
                if not self.status and (self.plain or not self.gone):
                    status = message["status"]
                    if isinstance(status, int):  # Else the server will tell the application.
                        self.status = status
            elif (
                kind == "http.response.body"
                and not self.stage
                and ("more_body" not in message or not message["more_body"])
                and (self.plain or not self.trailers)
            ):
                size = len(message["body"])
                self.sent = size if self.plain or not self.gone else 0
                self.stage = LAST
            else:
                self.continuing(kind, message)
        except (LookupError, TypeError, AttributeError):
            self.unusual(message)

    def starting(self, message: Message) -> None:
        """A response begins that may be a stream of events, or have trailers."""
        if message.get("trailers"):
            self.trailers = True
        headers = message.get("headers")
        if header(headers, b"content-type").startswith(b"text/event-stream"):
            compressed = header(headers, b"content-encoding") not in (b"", b"identity")
            self.inactive()
            self.stream = EventStream(self.route, self.start, compressed)

    def continuing(self, kind: str, message: Message) -> None:
        """A part of a body in several parts, an empty one, or what an extension of ASGI sends."""
        if self.stage == STREAMING and gone and has_left(self):
            self.gone = True
        if kind == "http.response.body":
            body = b"" if self.gone else message.get("body", b"")  # Servers drop what comes then.
            self.sent += len(body)
            if not self.plain and self.stream is not None:
                self.stream.sent(bytes(body))
            if self.stage == FRESH:
                self.length = declared(getattr(self, "head", {}))
            # Applications behind a bridge to WSGI send an empty part behind the last byte, and
            # Falcon: by then the client may have left, with all that it was promised.
            all_sent = not message.get("more_body", False) or self.sent >= self.length
            last = all_sent and not self.trailers
            if body and not last and not self.first:
                self.first = perf_counter()
        else:
            bytes_sent, last = extension(kind, message, self.trailers)
            self.sent += 0 if self.gone else bytes_sent
        if last:
            self.stage = LAST
        elif kind in BODY:
            self.stage = STREAMING

    def unusual(self, message: Message) -> None:
        """A message without what most have, or somebody stands between the server and us."""
        if not legible(message):
            return  # The server will tell the application.
        kind = message["type"]
        if kind == "http.response.start":
            if self.stream is None:
                self.starting(message)
            self.gone = self.gone or (bool(gone) and has_left(self))
            if not self.status and not self.gone:
                self.status = message["status"]
        else:
            self.continuing(kind, message)

    async def passing(self, message: Message) -> Any:
        """Send a part of a body."""
        try:
            return await self.send(message)
        except OSError:
            self.gone = True
            raise

    async def ending(self, message: Message, sending: Awaitable[Any] | None = None) -> Any:
        """Send the last part of a body, or wait until it is sent."""
        try:
            # For who has left, hypercorn's `send` over HTTP/2 never returns.
            if not self.plain and self.gone and not self.recorded:
                self.sent_all()
        except BaseException as error:
            http.failed(error)
        try:
            result = await (self.send(message) if sending is None else sending)
        except OSError:
            self.gone = True
            raise
        except Exception:
            raise
        except BaseException:
            try:
                self.interrupted()
            except BaseException as error:
                http.failed(error)
            raise
        try:
            if not self.recorded and not (ended is not None and ended(self)):
                self.sent_all()
        except BaseException as error:
            http.failed(error)
        return result

    def interrupted(self) -> None:
        """We are cancelled while the last part of a body is sent."""
        # hypercorn's trio does so with the connection that it closes behind the answer.
        if gone and not has_left(self) and not self.recorded:
            self.sent_all()


def marked() -> None:
    """Has those who ask whether the application's `send` is a coroutine function hear that it is.

    asgiref's `async_to_sync` asks, and warns. https://docs.python.org/3/library/inspect.html
    """
    asyncio: Any = sys.modules.get("asyncio")
    inspect: Any = sys.modules.get("inspect")
    if hasattr(inspect, "markcoroutinefunction"):  # since 3.12
        inspect.markcoroutinefunction(Request.sending)
    elif asyncio is not None:
        sending: Any = Request.sending
        sending._is_coroutine = asyncio.coroutines._is_coroutine
    for name, mark in vars(Request.sending).items():
        setattr(Request, name, mark)  # What is asked may be the request itself.


def tells_who_left(method: str, attribute: str) -> None:
    """The server that this process runs tells by an attribute of the object whose method its `send`
    or `receive` is that the client has left. It drops what is sent then without a word."""
    plain = leavers is not None and "." not in attribute
    asked = attrgetter(f"{method}.__self__.{attribute}")
    gone[:] = [leavers(method, attribute) if plain else asked]


def has_left(request: Request) -> bool:
    """Whether the client has left, by what the server's integration has said."""
    try:
        return gone[0](request) is True
    except AttributeError:  # Somebody stands between the server and us.
        return False


def broke_off(request: Request) -> None:
    """The application is through with the request before its answer was."""
    if gone and has_left(request):
        request.gone = True
    elif held and not request.gone and held[0](request):
        request.status = 500
