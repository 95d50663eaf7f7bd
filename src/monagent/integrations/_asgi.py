"""ASGI: one request or connection, measured around any application.

A server's integration wraps the application it serves, a framework's the framework's own entry.
Both leave the `Exchange` in the scope, so the outer one records and the inner one passes through.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import os
from itertools import chain, cycle, repeat
from operator import attrgetter, itemgetter
from time import perf_counter

from monagent import settings
from monagent.conventions import _exchange, http
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions.http import UNMATCHED
from monagent.conventions.realtime import EventStream
from monagent.integrations import _mount, _websocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Any

    from monagent.conventions._exchange import Arrival

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Headers = Iterable[tuple[bytes, bytes]]
    Excluded = Callable[[str, str, str], bool]

first_of = itemgetter(0)

LENGTH = b"content-length"
QUEUE_HEADERS = frozenset((b"x-request-start", b"x-queue-start"))
no_queue = QUEUE_HEADERS.isdisjoint

_every = repeat(True).__next__
look = [chain(repeat(True, 1000), cycle((*repeat(False, 7), True))).__next__]
"""Whether to look for a proxy's stamp: looking costs more the more headers there are, and a proxy
stamps all requests or none. Who has seen a thousand without one looks at one of eight from then
on; who has seen one, at every request."""

FRESH, STREAMING, LAST = 0, 1, 2
"""Of a response's body: nothing sent, a part sent, the last part on its way."""

BODY = frozenset(
    f"http.response.{part}" for part in ("body", "pathsend", "zerocopysend", "trailers")
)

gone: list[Callable[[Request], object]] = []
"""Says of a request whether its client has left; see `tells_who_left`."""

_own: set[Any] = set()  # what `measured_method` has made for frameworks


def measured(app: App) -> App:
    """An application that does what `app` does, and is recorded; itself, if it is already."""
    if http.left_alone(app) or _measures_itself(app):
        return app
    call = _call
    if settings.current().http_paths == "normalise":
        from monagent.integrations import _by_path  # Only who asks for it pays for it.

        call = _by_path.asgi if _by_path.bare(app) else _call
    bound: App = measured_method(call).__get__(app)
    return bound


def framework(original: Any) -> Any:
    """`measured_method` for the `__call__` of a framework's application class."""
    made = measured_method(original)
    _own.add(made)
    return made


def tells_who_left(method: str, attribute: str) -> None:
    """The server that this process runs tells by an attribute of the object whose method its `send`
    or `receive` is that the client has left. It drops what is sent then without a word."""
    gone[:] = [attrgetter(f"{method}.__self__.{attribute}")]


def measured_method(original: Any) -> Any:
    """A `__call__(self, scope, receive, send)` that does what `original` does, and is recorded."""
    arrivals = http.arrivals
    around_socket = _websocket.around
    excluded = http.excluder()
    some_off = http.some_off()

    # Every request passes here: written out, with an eye on each instruction of Python's.
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        arrival = request = socket = None
        try:
            if KEY not in scope:
                arrival = arrivals[scope["scheme"]][scope["method"]]
        except KeyError:
            try:
                arrival, socket = not_met(scope)
            except BaseException as error:
                http.failed(error)
        except BaseException as error:
            http.failed(error)
        if arrival is None:
            if socket is None:
                return await original(self, scope, receive, send)
            return await around_socket(original, self, socket, scope, receive, send)
        try:
            if look[0]() and not no_queue(map(first_of, scope["headers"])):
                queued(scope["headers"])
            # As Exchange.__init__ does.
            request = scope[KEY] = Request()
            request.arrival = arrival
            request.receive = receive
            request.send = send
            request.prefix = ""
            request.route = UNMATCHED
            request.script = None
            request.plain = True
            request.recorded = False
            request.stage = request.status = request.received = request.sent = 0
            request.first = request.end = 0.0
            add = request.active = arrival.add
            add(1.0)
            request.start = perf_counter()
        except BaseException as error:
            request = None
            http.failed(error)
        if request is None:
            return await original(self, scope, receive, send)
        try:
            result = await original(self, scope, request.receiving, request.sending)
        except BaseException as error:
            try:
                scope.pop(KEY, None)
                over(request, error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            scope.pop(
                KEY, None
            )  # The server's object holds the scope, and the request that object.
            if not request.recorded:
                over(request, None)
        except BaseException as error:
            http.failed(error)
        return result

    chooses = excluded or some_off or settings.current().mount
    return choosing(__call__, excluded, some_off) if chooses else __call__


def choosing(call: Any, excluded: Excluded | None, some_off: bool) -> Any:
    """A `__call__` in front of `call` that leaves out what settings leave out, and answers what
    is monagent's own."""
    mount = _mount.path()

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        ours = False
        try:
            if KEY in scope or scope["type"] == "lifespan":
                pass
            elif mount is not None and scope["type"] == "http" and scope["path"] == mount:
                ours = scope["method"] in ("GET", "HEAD")
            elif (some_off and http.left_alone(self)) or (
                excluded is not None and scope["type"] == "http" and left_out(excluded, scope)
            ):
                scope[KEY] = Exchange()
        except BaseException as error:
            http.failed(error)
        if ours:
            return await _mount.asgi(scope, send)
        return await call(self, scope, receive, send)

    return __call__


class Request(Exchange):
    """A request over ASGI: stands between the application and what the server gave it.

    Attributes:
        receive, send: the server's.
        stage: FRESH, STREAMING or LAST.
        trailers: they follow the body.
    """

    __slots__ = ("receive", "send", "stage")
    __init__ = object.__init__  # whoever makes it fills it
    receive: Receive
    send: Send
    stage: int
    trailers = False

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

    # No coroutine of ours where the server's own will do.
    def sending(self, message: Message) -> Awaitable[None]:
        """The application's `send`."""
        try:
            kind = message["type"]
            if kind == "http.response.start":
                # Starlette says the length first; what has one is no stream of events.
                if message["headers"][0][0] != LENGTH or "trailers" in message:
                    self.starting(message)
                if gone and gone[0](self):
                    self.gone = True
                if self.plain or not self.gone:  # Else nobody gets to know it.
                    self.status = message["status"]
            elif (
                kind == "http.response.body"
                and not self.stage
                and ("more_body" not in message or not message["more_body"])
                and not self.trailers
            ):
                self.sent = len(message["body"])
                self.stage = LAST
            else:
                self.continuing(kind, message)
        except (LookupError, TypeError, AttributeError):
            try:
                self.unusual(message)
            except BaseException as error:
                http.failed(error)
        except BaseException as error:
            http.failed(error)
        if not self.stage:
            return self.send(message)
        return self.ending(message) if self.stage == LAST else self.passing(message)

    def starting(self, message: Message) -> None:
        """A response begins that may be a stream of events, or have trailers."""
        self.trailers = bool(message.get("trailers"))
        headers = message.get("headers")
        if isinstance(headers, (list, tuple)) and streams(headers):
            self.inactive()
            self.stream = EventStream(self.route, self.start)

    def continuing(self, kind: str, message: Message) -> None:
        """A part of a body in several parts, an empty one, or what an extension of ASGI sends."""
        if kind == "http.response.body":
            body = message.get("body", b"")
            self.sent += len(body)
            if not self.plain and self.stream is not None:
                self.stream.sent(bytes(body))
            last = not message.get("more_body", False) and not self.trailers
            if not last and not self.first:
                self.first = perf_counter()
        else:
            bytes_sent, last = extension(kind, message, self.trailers)
            self.sent += bytes_sent
        if last and self.stage == STREAMING and gone and has_left(self):
            self.gone = True
        if last:
            self.stage = LAST
        elif kind in BODY:
            self.stage = STREAMING

    def unusual(self, message: Message) -> None:
        """A message without what most have, or somebody stands between the server and us."""
        kind = message["type"]
        if kind == "http.response.start":
            if self.stream is None:
                self.starting(message)
            self.gone = self.gone or (bool(gone) and has_left(self))
            if not self.gone:
                self.status = message["status"]
        else:
            self.continuing(kind, message)

    async def passing(self, message: Message) -> None:
        """Send a part of a body."""
        try:
            await self.send(message)
        except OSError:
            self.gone = True
            raise

    async def ending(self, message: Message) -> None:
        """Send the last part of a body."""
        try:
            await self.send(message)
        except OSError:
            self.gone = True
            raise
        try:
            if not self.recorded:
                self.sent_all()
        except BaseException as error:
            http.failed(error)


def _measures_itself(app: App) -> bool:
    """Whether its class is a framework's whose `__call__` is measured, or hands on to that."""
    for base in type(app).__mro__:
        call = vars(base).get("__call__")
        if call in _own:
            return True
        if call is not None and base.__module__ != "fastapi.applications":
            return False
    return False


def _call(app: App, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return app(scope, receive, send)


def not_met(scope: Scope) -> tuple[Arrival | None, _websocket.Socket | None]:
    """Of a scope whose method and scheme are not known yet: what such requests share, or the
    connection if it is one; nothing of all others."""
    kind = scope["type"]
    if kind == "http" and not http.broken:
        return _exchange.arrived(scope.get("method", ""), scope.get("scheme", "http")), None
    if kind == "websocket" and not http.broken:
        return None, _websocket.Socket(scope)
    return None, None


def over(request: Request, error: BaseException | None) -> None:
    """The application is through with the request."""
    if not request.recorded:
        if gone and not request.end and has_left(request):
            request.gone = True
        request.over(error)


def queued(headers: Headers) -> None:
    """Record how long the request has waited, by the first stamp of a proxy."""
    look[0] = _every
    stamp = next(value for name, value in headers if name in QUEUE_HEADERS)
    http.queued(stamp.decode("latin-1"))


def left_out(excluded: Excluded, scope: Scope) -> bool:
    """Whether the request is excluded by its URL."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return excluded(scope.get("scheme", "http"), host.decode("latin-1"), scope.get("path", ""))


def has_left(request: Request) -> bool:
    """Whether the client has left, by what the server's integration has said."""
    try:
        return gone[0](request) is True
    except AttributeError:  # Somebody stands between the server and us.
        return False


def streams(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the response is a stream of server-sent events."""
    for name, value in headers:
        if name.lower() == b"content-type":  # Django sends its own spelling.
            return value.startswith(b"text/event-stream")
    return False


def extension(kind: str, message: Message, trailers: bool) -> tuple[int, bool]:
    """Bytes of the body that a message of an ASGI extension sends, and whether it is the last."""
    if kind == "http.response.trailers":
        return 0, not message.get("more_trailers", False)
    if kind == "http.response.pathsend":
        return os.stat(message["path"]).st_size, not trailers
    if kind == "http.response.zerocopysend":
        return _zero_copied(message), not message.get("more_body", False) and not trailers
    return 0, False  # early hints, push and whatever comes


def _zero_copied(message: Message) -> int:
    """Bytes from the offset, or the file's position, to the count or its end."""
    file, offset, count = message["file"], message.get("offset"), message.get("count")
    number = file if isinstance(file, int) else file.fileno()
    if offset is None:
        offset = os.lseek(number, 0, os.SEEK_CUR)
    rest: int = os.fstat(number).st_size - offset
    return max(0, rest if count is None else min(count, rest))
