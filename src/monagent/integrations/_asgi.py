"""ASGI: one request or connection, measured around any application.

A server's integration wraps the application it serves, a framework's the framework's own entry.
Both leave the `Exchange` in the scope, so the outer one records and the inner one passes through.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import os
from operator import itemgetter
from time import perf_counter

from monagent.conventions import _exchange, http
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions.realtime import EventStream
from monagent.integrations import _websocket
from monagent.metrics.pulse import due, pulse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Any

    from monagent.metrics.recorders import Recorder

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


gone: list[str] = []
"""Whose attribute tells that the client has left: ["send", "disconnected"] when it is one of the
object whose method the server's `send` is. Servers drop what is sent then without telling the
application. Set by the integration of the server that this process runs."""

_own: set[Any] = set()  # what `measured_method` has made for frameworks


def measured(app: App) -> App:
    """An application that does what `app` does, and is recorded; itself, if it is already."""
    if http.left_alone(app) or _measures_itself(app):
        return app
    bound: App = measured_method(_call).__get__(app)
    return bound


def framework(original: Any) -> Any:
    """`measured_method` for the `__call__` of a framework's application class."""
    made = measured_method(original)
    _own.add(made)
    return made


def measured_method(original: Any) -> Any:
    """A `__call__(self, scope, receive, send)` that does what `original` does, and is recorded."""
    excluded = http.excluder()
    some_off = http.some_off()
    around_socket = _websocket.around
    arrivals, recorders = _exchange.arrivals, _exchange.recorders

    # Every request passes here: written out, with its state in local variables. An instruction of
    # Python's costs 12 ns among all that a request runs; these are 350 of them.
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        exchange = socket = None
        try:
            kind = scope["type"]
            if KEY in scope or kind == "lifespan" or http.broken:
                pass
            elif some_off and http.left_alone(self):
                scope[KEY] = Exchange()
            elif kind == "http":
                if not no_queue(map(first_of, scope["headers"])):
                    queued(scope["headers"])
                exchange = scope[KEY] = Exchange()
                if excluded is not None and left_out(excluded, scope):
                    exchange = None
                else:
                    try:
                        method, scheme, add = arrivals[scope["method"], scope["scheme"]]
                    except KeyError:
                        method, scheme, add = first_of_its_kind(scope)
                    add(1.0)
                    exchange.active = add
            elif kind == "websocket":
                socket = _websocket.Socket(scope)
        except BaseException as error:
            exchange = None
            http.failed(error)
        if socket is not None:
            return await around_socket(original, self, socket, scope, receive, send)
        if exchange is None:
            return await original(self, scope, receive, send)

        status = size = sent = 0
        first = end = 0.0
        left = trailers = last = False
        stream: EventStream | None = None

        async def counting_receive() -> Message:
            nonlocal size, left
            message = await receive()
            try:
                kind = message["type"]
                if kind == "http.request":
                    size += len(message.get("body") or b"")
                elif kind == "http.disconnect" and not last:
                    left = True
            except BaseException as error:
                http.failed(error)
            return message

        async def counting_send(message: Message) -> None:
            nonlocal status, sent, first, end, left, trailers, stream, last
            try:
                kind = message["type"]
                if kind == "http.response.body":
                    if "body" in message:
                        body = message["body"]
                        sent += len(body)
                        if stream is not None:
                            stream.sent(bytes(body))
                    if "more_body" not in message or not message["more_body"]:
                        last = not trailers
                    elif not first:
                        first = perf_counter()
                elif kind == "http.response.start":
                    if gone and has_left(receive, send):
                        left = True
                    if not left:
                        status = message["status"]
                    if "trailers" in message:
                        trailers = message["trailers"]
                    headers = message.get("headers")
                    # Starlette says the length first; what has one is no stream of events.
                    if headers and (type(headers) is not list or headers[0][0] != LENGTH):
                        stream = event_stream(exchange, headers, start)
                else:
                    bytes_sent, last = extension(kind, message, trailers)
                    sent += bytes_sent
            except BaseException as error:
                http.failed(error)
            try:
                await send(message)
            except OSError:
                left = True
                raise
            if last and not end:
                try:
                    end = perf_counter()
                    if exchange.active is not None:
                        exchange.active = None
                        add(-1.0)
                        if status < 500 and not left:
                            exchange.recorded = True
                            try:
                                record = recorders[method, scheme, exchange.route, status, None]
                            except KeyError:
                                labels = (method, scheme, exchange.route, status, None)
                                record = _exchange.recorder(labels)
                            seconds = end - start
                            record(seconds, size, sent, first - start if first else seconds)
                            if end > due[0]:
                                pulse(end)
                except BaseException as error:
                    http.failed(error)

        start = perf_counter()
        broken: BaseException | None = None
        try:
            return await original(self, scope, counting_receive, counting_send)
        except BaseException as raised:
            broken = raised
            raise
        finally:
            if not exchange.recorded:
                try:
                    if gone and not end and has_left(receive, send):
                        left = True
                    exchange.arrival = (method, scheme, add)
                    exchange.start, exchange.first, exchange.end = start, first, end
                    exchange.received, exchange.sent = size, sent
                    exchange.status, exchange.gone, exchange.stream = status, left, stream
                    exchange.over(broken)
                except BaseException as ours:
                    http.failed(ours)
                broken = None  # no circle of frame and traceback

    return __call__


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


def first_of_its_kind(scope: Scope) -> tuple[str, str, Recorder]:
    """Method and scheme as labels, and what adds to the active requests of these."""
    return _exchange.arrived(scope.get("method", ""), scope.get("scheme", "http"))


def queued(headers: Headers) -> None:
    """Record how long the request has waited, by the first stamp of a proxy."""
    stamp = next(value for name, value in headers if name in QUEUE_HEADERS)
    http.queued(stamp.decode("latin-1"))


def left_out(excluded: Excluded, scope: Scope) -> bool:
    """Whether the request is excluded by its URL."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return excluded(scope.get("scheme", "http"), host.decode("latin-1"), scope.get("path", ""))


def has_left(receive: Receive, send: Send) -> bool:
    """Whether the client has left, by what the server's integration has said."""
    method: Any = send if gone[0] == "send" else receive
    return getattr(getattr(method, "__self__", None), gone[1], False) is True


def streams(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the response is a stream of server-sent events."""
    for name, value in headers:
        if name == b"content-type":
            return value.startswith(b"text/event-stream")
    return False


def event_stream(exchange: Exchange, headers: Headers, start: float) -> EventStream | None:
    """If the response is a stream of events: no longer a request that is being answered."""
    for name, value in headers:
        if name == b"content-type":
            if value.startswith(b"text/event-stream"):
                exchange.inactive()
                return EventStream(exchange.route, start)
            break
    return None


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
