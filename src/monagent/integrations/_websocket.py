"""ASGI's WebSocket connections: open, messages each way, close code; a refused one is a request."""

from __future__ import annotations

from types import FunctionType

from monagent.conventions import http
from monagent.conventions._exchange import KEY, Exchange
from monagent.conventions.http import error_type
from monagent.conventions.realtime import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.integrations._asgi_request import Message, Receive, Scope, Send

REFUSED = 403
"""What servers answer when the application closes before it accepts."""

UNSAID, LOST, BROKEN = 1005, 1006, 1011
"""The connection was closed without a code; it was not closed; the server says it has failed.
https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1"""


unclosed: list[Callable[[Send], int]] = []
"""Says by the server's `send` which code it sends for an application that returns or raises without
having closed."""

unanswered: list[int] = []
"""The status that the server answers a handshake with for an application that returns or raises
before it has accepted or refused; 500 if nothing is said here."""


class Socket:
    """A connection from its handshake on; until it is accepted it is an HTTP request."""

    __slots__ = ("connection", "exchange")

    def __init__(self, scope: Scope) -> None:
        self.exchange = scope[KEY] = Exchange()
        self.connection: Connection | None = None
        secure = scope.get("scheme", "ws") in ("wss", "https")
        self.exchange.begin("GET", "https" if secure else "http")

    def received(self, message: Message) -> None:
        """The application gets a message."""
        kind, connection = message["type"], self.connection
        if kind == "websocket.receive":
            if connection is not None:
                connection.received()
        elif kind == "websocket.disconnect":
            if connection is None:
                self.exchange.gone = True
            elif connection.open:
                connection.code = message.get("code") or UNSAID
                connection.ended(None)

    def sending(self, message: Message) -> None:
        """The application gives a message."""
        kind, connection, exchange = message["type"], self.connection, self.exchange
        if kind == "websocket.send":
            if connection is not None and connection.open:  # Else it goes nowhere.
                connection.sent()
        elif kind == "websocket.accept":
            exchange.disown()
            self.connection = Connection(exchange.route)
        elif kind == "websocket.close":
            if connection is None:
                exchange.status = REFUSED
                exchange.sent_all()
            elif connection.open:
                connection.code = message.get("code") or 1000
                connection.ended(exchange.failure())  # What the framework has made this close of.
        elif kind == "websocket.http.response.start":
            exchange.status = message["status"]
        elif kind == "websocket.http.response.body":
            exchange.sent += len(message.get("body") or b"")
            if not message.get("more_body", False):
                exchange.sent_all()

    def lost(self) -> None:
        """The client is not there: a server says so when something is sent, by an OSError."""
        if self.connection is None:
            self.exchange.gone = True
        elif self.connection.open:
            self.connection.code = LOST
            self.connection.ended(None)

    def ended(self, send: Send, error: BaseException | None) -> None:
        """The application is through with it."""
        if self.connection is not None:
            if not self.connection.code:
                otherwise = LOST if error is None else BROKEN  # as daphne does
                self.connection.code = unclosed[0](send) if unclosed else otherwise
            # Without one a framework may have caught it.
            failed = self.exchange.failure() if error is None else error_type(error)
            self.connection.ended(failed)
        else:
            if unanswered and not self.exchange.status:
                self.exchange.status = unanswered[0]
            self.exchange.over(error)


async def around(
    original: Any, self: Any, socket: Socket, scope: Scope, receive: Receive, send: Send
) -> Any:
    """Run `original(self, …)` with a connection that is recorded."""

    async def counting_receive() -> Message:
        message = await receive()
        try:
            socket.received(message)
        except BaseException as error:
            http.failed(error)
        return message

    async def counting_send(message: Message) -> None:
        try:
            await send(message)
        except OSError:
            try:
                socket.lost()
            except BaseException as error:
                http.failed(error)
            raise
        try:
            socket.sending(message)
        except BaseException as error:
            http.failed(error)

    try:
        for handed_on in (counting_receive, counting_send):
            vars(handed_on)[KEY] = socket.exchange
    except BaseException as error:
        http.failed(error)
    try:
        result = await original(self, scope, counting_receive, counting_send)
    except BaseException as error:
        try:
            socket.ended(send, error)
        except BaseException as ours:
            http.failed(ours)
        raise
    try:
        socket.ended(send, None)
    except BaseException as error:
        http.failed(error)
    return result


def exchange_of(handed_on: Any) -> Exchange | None:
    """Of the connection whose `receive` or `send` it is."""
    found = vars(handed_on).get(KEY) if type(handed_on) is FunctionType else None
    return found if isinstance(found, Exchange) else None
