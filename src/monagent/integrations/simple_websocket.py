"""simple-websocket, which flask-sock and others accept WebSockets with under WSGI.

There a WebSocket comes as a request that lasts as long as it does, and ends as each server can be
made to leave the socket alone, by an exception of some kind: so it is taken out of the requests.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.realtime import Connection
from monagent.instrument import Library, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "simple_websocket",
    distribution="simple-websocket",
    versions=">=1.0",
    records=("realtime",),
    covers="WebSockets that WSGI applications accept, with flask-sock for instance",
)

OWN, ASKED = "_monagent", "_monagent_asked"
NORMAL, LOST = 1000, 1006


# Before the thread of the connection begins, which may learn of its end at once.
@replace("simple_websocket.ws", "Server.handshake")
def accept(original: Any) -> Any:
    def handshake(self: Any) -> None:
        original(self)
        try:
            exchange = self.environ.get(KEY)
            # What is recorded already is engineio's, which counts its own.
            if self.connected and exchange is not None and not exchange.recorded:
                exchange.disown()
                setattr(self, ASKED, exchange)
                setattr(self, OWN, Connection(exchange.route))
        except BaseException as error:
            http.failed(error)

    return handshake


@replace("simple_websocket.ws", "Base.send")
def send(original: Any) -> Any:
    def send(self: Any, data: Any) -> None:
        original(self, data)
        try:
            connection = self.__dict__.get(OWN)
            if connection is not None:
                connection.sent()
        except BaseException as error:
            http.failed(error)

    return send


@replace("simple_websocket.ws", "Base.receive")
def receive(original: Any) -> Any:
    def receive(self: Any, timeout: Any = None) -> Any:
        message = original(self, timeout)
        try:
            connection = self.__dict__.get(OWN)
            if connection is not None and message is not None:
                connection.received()
        except BaseException as error:
            http.failed(error)
        return message

    return receive


@replace("simple_websocket.ws", "Base.close")
def close(original: Any) -> Any:
    def close(self: Any, reason: Any = None, message: Any = None) -> None:
        try:
            connection = self.__dict__.get(OWN)
            if connection is not None and self.connected:
                connection.code = int(reason or NORMAL)  # The thread may learn it sooner than we.
        except BaseException as error:
            http.failed(error)
        original(self, reason, message)
        ended(self)

    return close


@replace("simple_websocket.ws", "Base._thread")
def reading(original: Any) -> Any:
    def _thread(self: Any) -> None:
        try:
            original(self)
        finally:
            ended(self)

    return _thread


def ended(socket: Any) -> None:
    """The connection is over."""
    try:
        connection = socket.__dict__.get(OWN)
        if connection is not None and connection.open:
            # Else 1005 may stand there since nothing was heard at all.
            if not connection.code and socket.ws.state.name == "CLOSED":
                connection.code = int(socket.close_reason)
            asked = socket.__dict__[ASKED]
            error = asked.error or asked.caught  # That of a view, if one has raised.
            if error is not None and not connection.code:
                connection.code = LOST  # Nobody closes it then.
            connection.ended(error)
    except BaseException as error:
        http.failed(error)
