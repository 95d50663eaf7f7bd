"""ASGI: one request or connection, measured around any application.

A server's integration wraps the application it serves, a framework's the framework's own entry.
Both leave the `Exchange` in the scope, so the outer one records and the inner one passes through.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import os
from time import perf_counter

from monagent import guard
from monagent.conventions import http
from monagent.conventions.http import KEY, Exchange
from monagent.conventions.realtime import EventStream
from monagent.integrations import _websocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Gone = Callable[[Receive, Send], bool]
    Excluded = Callable[[str, str, str], bool]

QUEUE_HEADERS = frozenset((b"x-request-start", b"x-queue-start"))


def measured(app: App, gone: Gone | None = None) -> App:
    """An application that does what `app` does, and is recorded.

    Args:
        gone: tells by a server's `receive` and `send` that the client has left; servers drop
            what is sent afterwards without telling the application.
    """
    if http.left_alone(app):
        return app
    bound: App = measured_method(_call, gone).__get__(app)
    return bound


def measured_method(original: Any, gone: Gone | None = None) -> Any:
    """A `__call__(self, scope, receive, send)` that does what `original` does, and is recorded."""
    excluded = http.excluder()
    some_off = http.some_off()
    around_socket = _websocket.around

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        exchange = socket = None
        try:
            if KEY not in scope and not guard.off("http"):
                kind = scope["type"]
                if some_off and http.left_alone(self):
                    scope[KEY] = Exchange()
                elif kind == "http":
                    exchange = arrived(scope, excluded)
                elif kind == "websocket":
                    socket = _websocket.Socket(scope)
        except BaseException as error:
            http.failed(error)
        if socket is not None:
            return await around_socket(original, self, socket, scope, receive, send)
        if exchange is None:
            return await original(self, scope, receive, send)

        async def counting_receive() -> Message:
            message = await receive()
            try:
                received(exchange, message)
            except BaseException as error:
                http.failed(error)
            return message

        async def counting_send(message: Message) -> None:
            last = False
            try:
                if gone is not None and not exchange.gone and gone(receive, send):
                    exchange.gone = True
                last = sending(exchange, message)
            except BaseException as error:
                http.failed(error)
            try:
                await send(message)
            except OSError:
                exchange.gone = True
                raise
            if last:
                try:
                    exchange.sent_all()
                except BaseException as error:
                    http.failed(error)

        try:
            result = await original(self, scope, counting_receive, counting_send)
        except BaseException as error:
            try:
                if gone is not None and not exchange.end and gone(receive, send):
                    exchange.gone = True
                exchange.broke(error)
            except BaseException as ours:
                http.failed(ours)
            raise
        try:
            if not exchange.recorded:
                if gone is not None and not exchange.end and gone(receive, send):
                    exchange.gone = True
                exchange.left()
        except BaseException as error:
            http.failed(error)
        return result

    return __call__


def _call(app: App, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return app(scope, receive, send)


def arrived(scope: Scope, excluded: Excluded | None) -> Exchange | None:
    """Begin a request's exchange. None: it is excluded, and so for all layers inside."""
    exchange = scope[KEY] = Exchange()
    headers = scope.get("headers", ())
    scheme = scope.get("scheme", "http")
    if excluded is not None:
        host = next((value for name, value in headers if name == b"host"), b"")
        if excluded(scheme, host.decode("latin-1"), scope.get("path", "")):
            return None
    for name, value in headers:
        if name in QUEUE_HEADERS:
            http.queued(value.decode("latin-1"))
            break
    exchange.begin(scope.get("method", ""), scheme)
    return exchange


def received(exchange: Exchange, message: Message) -> None:
    """The application gets a message from the server."""
    kind = message["type"]
    if kind == "http.request":
        exchange.received += len(message.get("body") or b"")
    elif kind == "http.disconnect" and not exchange.end:
        exchange.gone = True


def sending(exchange: Exchange, message: Message) -> bool:
    """The application gives a message to the server. True: it is the response's last."""
    kind = message["type"]
    if kind == "http.response.body":
        body = message.get("body")
        if body:
            exchange.sent += len(body)
            if exchange.stream is not None:
                exchange.stream.sent(bytes(body))
        if not exchange.first:
            exchange.first = perf_counter()
        return not message.get("more_body", False) and not exchange.trailers
    if kind == "http.response.start":
        if not exchange.gone:
            exchange.status = message["status"]
        if message.get("trailers"):
            exchange.trailers = True
        for name, value in message.get("headers") or ():
            if name == b"content-type":
                if value.startswith(b"text/event-stream"):
                    exchange.inactive()
                    exchange.stream = EventStream(exchange.route, exchange.start)
                break
        return False
    return _extension(exchange, message, kind)


def _extension(exchange: Exchange, message: Message, kind: str) -> bool:
    if kind == "http.response.trailers":
        return not message.get("more_trailers", False)
    if kind == "http.response.pathsend":
        exchange.first = exchange.first or perf_counter()
        exchange.sent += os.stat(message["path"]).st_size
        return not exchange.trailers
    if kind == "http.response.zerocopysend":
        exchange.first = exchange.first or perf_counter()
        exchange.sent += _zero_copied(message)
        return not message.get("more_body", False) and not exchange.trailers
    return False  # early hints, push and whatever comes


def _zero_copied(message: Message) -> int:
    """Bytes from the offset, or the file's position, to the count or its end."""
    file, offset, count = message["file"], message.get("offset"), message.get("count")
    number = file if isinstance(file, int) else file.fileno()
    if offset is None:
        offset = os.lseek(number, 0, os.SEEK_CUR)
    rest: int = os.fstat(number).st_size - offset
    return max(0, rest if count is None else min(count, rest))
