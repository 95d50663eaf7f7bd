"""python-socketio: clients of a server by namespace, and events each way.

What a client sends counts under its name if the program has a handler of that name, else as one
value, since clients choose names; so do namespaces, where a program takes any.
"""

from __future__ import annotations

from contextvars import ContextVar

from monagent import guard
from monagent.conventions import socketio
from monagent.conventions.http import OTHER
from monagent.instrument import Library, replace
from monagent.instrument.targets import undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "socketio",
    distribution="python-socketio",
    versions=">=5.8",
    records=("socketio",),
    needs=("engineio",),
    covers="servers, sync and asyncio: clients connected, events each way",
)

_EVENT, _BINARY_EVENT = 2, 5  # https://socket.io/docs/v4/socket-io-protocol/#packet-types

_emitting: ContextVar[tuple[str, str] | None] = ContextVar("monagent.socketio", default=None)
"""Namespace and name of the event that is handed to its receivers as ready-made packets."""


@replace("socketio.server", "Server._trigger_event")
def trigger(original: Any) -> Any:
    def _trigger_event(self: Any, event: Any, namespace: Any, *args: Any, **kw: Any) -> Any:
        arriving(self, event, namespace, args)
        answer = original(self, event, namespace, *args, **kw)
        if event == "connect":
            let_in(self, namespace, args, answer)
        return answer

    return _trigger_event


@replace("socketio.async_server", "AsyncServer._trigger_event", optional=True)
@replace("socketio.asyncio_server", "AsyncServer._trigger_event", optional=True)  # until 5.9
def async_trigger(original: Any) -> Any:
    async def _trigger_event(self: Any, event: Any, namespace: Any, *args: Any, **kw: Any) -> Any:
        arriving(self, event, namespace, args)
        answer = await original(self, event, namespace, *args, **kw)
        if event == "connect":
            let_in(self, namespace, args, answer)
        return answer

    return _trigger_event


@replace("socketio.server", "Server._send_packet")
def send(original: Any) -> Any:
    def _send_packet(self: Any, eio_sid: Any, pkt: Any) -> Any:
        leaving(self, pkt)
        return original(self, eio_sid, pkt)

    return _send_packet


@replace("socketio.async_server", "AsyncServer._send_packet", optional=True)
@replace("socketio.asyncio_server", "AsyncServer._send_packet", optional=True)
def async_send(original: Any) -> Any:
    async def _send_packet(self: Any, eio_sid: Any, pkt: Any) -> Any:
        leaving(self, pkt)
        return await original(self, eio_sid, pkt)

    return _send_packet


@replace("socketio.server", "Server._send_eio_packet", optional=True)  # from 5.8 on
def send_ready(original: Any) -> Any:
    def _send_eio_packet(self: Any, eio_sid: Any, eio_pkt: Any) -> Any:
        leaving_ready(eio_pkt)
        return original(self, eio_sid, eio_pkt)

    return _send_eio_packet


@replace("socketio.async_server", "AsyncServer._send_eio_packet", optional=True)
@replace("socketio.asyncio_server", "AsyncServer._send_eio_packet", optional=True)
def async_send_ready(original: Any) -> Any:
    async def _send_eio_packet(self: Any, eio_sid: Any, eio_pkt: Any) -> Any:
        leaving_ready(eio_pkt)
        return await original(self, eio_sid, eio_pkt)

    return _send_eio_packet


@replace("socketio.manager", "Manager.emit", optional=True)  # until 5.9 in base_manager
@replace("socketio.base_manager", "BaseManager.emit", optional=True)
def emit(original: Any) -> Any:
    def emit(self: Any, event: Any, data: Any, namespace: Any, *args: Any, **kw: Any) -> Any:
        begin(self, event, namespace)
        try:
            return original(self, event, data, namespace, *args, **kw)
        finally:
            _emitting.set(None)

    return emit


@replace("socketio.async_manager", "AsyncManager.emit", optional=True)
@replace("socketio.asyncio_manager", "AsyncManager.emit", optional=True)
def async_emit(original: Any) -> Any:
    async def emit(self: Any, event: Any, data: Any, namespace: Any, *args: Any, **kw: Any) -> Any:
        begin(self, event, namespace)
        try:
            return await original(self, event, data, namespace, *args, **kw)
        finally:
            _emitting.set(None)

    return emit


def begin(manager: Any, event: Any, namespace: Any) -> None:
    """Packets without a name follow."""
    try:
        if manager.server is not None:  # Else it only writes to a queue, for others.
            _emitting.set((within(manager.server, namespace), str(event)))
    except BaseException as error:
        failed(error)


def arriving(server: Any, event: Any, namespace: Any, args: tuple[Any, ...]) -> None:
    """Something happens on a connection: an event of the client, or its end."""
    try:
        if event == "disconnect":
            socketio.disconnected(str(namespace or "/"), str(args[0]))
        elif event != "connect":
            name = known(server, event, str(namespace or "/"))
            socketio.event(within(server, namespace), name, socketio.RECEIVED)
    except BaseException as error:
        failed(error)


def let_in(server: Any, namespace: Any, args: tuple[Any, ...], answer: Any) -> None:
    """The program was asked about a client, and has not said no."""
    try:
        if answer is not False:
            client = str(args[0])
            socketio.connected(str(namespace or "/"), client, within(server, namespace))
    except BaseException as error:
        failed(error)


def within(server: Any, namespace: Any) -> str:
    """The namespace if the program names just that."""
    name = str(namespace or "/")
    if name == "/" or name in server.handlers or name in server.namespace_handlers:
        return name
    named = getattr(server, "namespaces", ())  # from 5.10 on; "*" takes any
    return name if named != "*" and name in named else OTHER


def known(server: Any, event: Any, namespace: str) -> str:
    """The event's name if there is a handler for just that."""
    if event in server.handlers.get(namespace, ()):
        return str(event)
    whole = server.namespace_handlers.get(namespace)
    if whole is not None and hasattr(whole, f"on_{event}"):
        return str(event)
    return OTHER


def leaving(server: Any, pkt: Any) -> None:
    """A packet goes to one client."""
    try:
        if pkt.packet_type in (_EVENT, _BINARY_EVENT):
            socketio.event(within(server, pkt.namespace), str(pkt.data[0]), socketio.SENT)
    except BaseException as error:
        failed(error)


def leaving_ready(eio_pkt: Any) -> None:
    """A packet that is the same for all clients goes to one of them; its attachments follow."""
    try:
        emitting = _emitting.get()
        if emitting is not None and not eio_pkt.binary:
            socketio.event(*emitting, socketio.SENT)
    except BaseException as error:
        failed(error)


def failed(error: BaseException) -> None:
    guard.failed("socketio", error)
    if guard.off("socketio"):
        undo("socketio")
