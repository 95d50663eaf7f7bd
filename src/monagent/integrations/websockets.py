"""websockets: connections of its servers and clients, on asyncio, in threads, and its legacy API.

Others serve with this library's protocols and are counted by their own integrations (uvicorn and
Sanic), so a connection counts only where it is one of the library's own. The handshake is no
request: an application that answers HTTP before it has a server for that.
"""

from __future__ import annotations

from _thread import RLock

from monagent import guard
from monagent.conventions._peers import Peer, of
from monagent.conventions.realtime import Connection
from monagent.instrument import Library, replace
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "websockets",
    versions=">=11.0",
    records=("realtime",),
    covers="connections of servers and clients, asyncio and threads, new and legacy: messages each "
    "way, lifetime, close code",
)

DATA = frozenset((0, 1, 2))
"""Opcodes of a message's frames: continued, text, binary."""

OPEN = frozenset((1, 2))
"""States of a protocol: open and closing; a handshake may also end with an answer of HTTP."""

OTHERS = frozenset(("uvicorn", "sanic"))

_turn = [RLock()]  # A fork gives the child one of its own.
os.register_at_fork(after_in_child=lambda: _turn.__setitem__(0, RLock()))


@replace("websockets.asyncio.server", "ServerConnection.handshake", optional=True)
@replace("websockets.asyncio.client", "ClientConnection.handshake", optional=True)
def shaking(original: Any) -> Any:
    async def handshake(self: Any, *args: Any, **kwargs: Any) -> None:
        await original(self, *args, **kwargs)
        try:
            if self.protocol.state in OPEN:
                opened(self.protocol)
        except BaseException as error:
            guard.failed("websockets", error)

    return handshake


@replace("websockets.sync.server", "ServerConnection.handshake")
@replace("websockets.sync.client", "ClientConnection.handshake")
def shaking_sync(original: Any) -> Any:
    def handshake(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            with self.protocol_mutex:  # Its other thread may see the end just now.
                if self.protocol.state in OPEN:
                    opened(self.protocol)
        except BaseException as error:
            guard.failed("websockets", error)

    return handshake


@replace("websockets.asyncio.connection", "Connection.process_event", optional=True)
@replace("websockets.sync.connection", "Connection.process_event")
def receiving(original: Any) -> Any:
    def process_event(self: Any, event: Any) -> None:
        try:
            if event.opcode in DATA and event.fin:
                opened(self.protocol).received()
        except BaseException as error:
            guard.failed("websockets", error)
        original(self, event)

    return process_event


@replace("websockets.protocol", "Protocol.send_text", optional=True)
@replace("websockets.protocol", "Protocol.send_binary", optional=True)
def sending(original: Any) -> Any:
    def send(self: Any, data: Any, fin: bool = True) -> None:
        original(self, data, fin)
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None and fin:
                counted.sent()
        except BaseException as error:
            guard.failed("websockets", error)

    return send


@replace("websockets.protocol", "Protocol.send_continuation", optional=True)
def continuing(original: Any) -> Any:
    def send_continuation(self: Any, data: Any, fin: bool) -> None:
        original(self, data, fin)
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None and fin:
                counted.sent()
        except BaseException as error:
            guard.failed("websockets", error)

    return send_continuation


@replace("websockets.asyncio.connection", "Connection.connection_lost", optional=True)
@replace("websockets.sync.connection", "Connection.close_socket")
def losing(original: Any) -> Any:
    def lost(self: Any, *args: Any) -> None:
        original(self, *args)
        try:
            ended(self.protocol, self.protocol.close_code)
        except BaseException as error:
            guard.failed("websockets", error)

    return lost


@replace("websockets.legacy.protocol", "WebSocketCommonProtocol.connection_open")
def opening(original: Any) -> Any:
    def connection_open(self: Any) -> None:
        original(self)
        try:
            if all(base.__module__.partition(".")[0] not in OTHERS for base in type(self).__mro__):
                self._monagent = Connection(None, peer_of_legacy(self))
        except BaseException as error:
            guard.failed("websockets", error)

    return connection_open


@replace("websockets.legacy.protocol", "WebSocketCommonProtocol.read_message")
def reading(original: Any) -> Any:
    async def read_message(self: Any) -> Any:
        message = await original(self)
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None and message is not None:
                counted.received()
        except BaseException as error:
            guard.failed("websockets", error)
        return message

    return read_message


@replace("websockets.legacy.protocol", "WebSocketCommonProtocol.write_frame_sync")
def writing(original: Any) -> Any:
    def write_frame_sync(self: Any, fin: bool, opcode: int, data: bytes) -> None:
        original(self, fin, opcode, data)
        try:
            counted = getattr(self, "_monagent", None)
            if counted is not None and fin and opcode in DATA:
                counted.sent()
        except BaseException as error:
            guard.failed("websockets", error)

    return write_frame_sync


@replace("websockets.legacy.protocol", "WebSocketCommonProtocol.connection_lost")
def losing_legacy(original: Any) -> Any:
    def connection_lost(self: Any, exc: Any) -> None:
        original(self, exc)
        try:
            ended(self, self.close_code)
        except BaseException as error:
            guard.failed("websockets", error)

    return connection_lost


def opened(protocol: Any) -> Connection:
    """The count of a connection whose handshake is over."""
    counted: Connection | None = getattr(protocol, "_monagent", None)
    if counted is not None:
        return counted
    # One thread shakes hands, and another has a message already.
    with _turn[0]:
        counted = getattr(protocol, "_monagent", None)
        if counted is None:
            counted = protocol._monagent = Connection(None, peer_of(protocol))
    return counted


def ended(protocol: Any, code: int | None) -> None:
    """The connection is closed; the code is what the other end has sent, or else this one."""
    counted = getattr(protocol, "_monagent", None)
    if counted is not None:
        sent = protocol.close_sent
        # A member of an enumeration, whose text is another one until Python 3.11.
        counted.code = int(sent.code if code == 1006 and sent is not None else code or 0)
        counted.ended(None)


def peer_of(protocol: Any) -> Peer | None:
    """The server that a client is connected to; a server's end has none."""
    uri = getattr(protocol, "uri", None) or getattr(protocol, "wsuri", None)  # the latter until 15
    return of("wss" if uri.secure else "ws", uri.host, uri.port) if uri is not None else None


def peer_of_legacy(protocol: Any) -> Peer | None:
    """The same for the legacy API, where one class is both ends'."""
    if not getattr(protocol, "is_client", False):  # the class that both derive from has none
        return None
    return of("wss" if protocol._secure else "ws", protocol._host or "", protocol._port)
