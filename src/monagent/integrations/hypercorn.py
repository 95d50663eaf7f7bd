"""hypercorn: whatever ASGI or WSGI application it serves, and its workers."""

from __future__ import annotations

from monagent.conventions import http, http_workers
from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _asgi_request, _websocket, _wsgi, _wsgi_request
from monagent.integrations._bridge import handing_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange

LIBRARY = Library(
    "hypercorn",
    versions=">=0.14",
    records=("http", "realtime", "http_workers"),
    covers="requests, event streams and WebSockets of any application it serves; its workers",
)

SERVER = "hypercorn"


@replace("hypercorn.app_wrappers", "ASGIWrapper.__init__")
def asgi(original: Any) -> Any:
    def __init__(self: Any, app: Any) -> None:
        original(self, app)
        try:
            self.app = _asgi.measured(app)
            _asgi_request.gone[:] = [has_left]
            _asgi_request.held[:] = [held]
            _websocket.unclosed[:] = [unclosed]
        except BaseException as error:
            http.failed(error)

    return __init__


def has_left(request: _asgi_request.Request) -> bool:
    """Whether the client of a request has left: its stream is closed, not by an answer's end."""
    stream: Any = getattr(request.send, "__self__", None)
    return bool(stream.closed) and stream.state.name != "CLOSED"


def held(request: _asgi_request.Request) -> bool:
    """Whether nothing of an answer was sent; until 0.16 its head waits for the body."""
    stream = getattr(request.send, "__self__", None)
    return str(getattr(stream, "state", "")).endswith(".REQUEST")


def unclosed(send: Any) -> int:
    """What hypercorn sends for an application that leaves a WebSocket open, if anybody is there."""
    stream = getattr(send, "__self__", None)
    return _websocket.LOST if getattr(stream, "closed", False) else _websocket.BROKEN


@replace("hypercorn.app_wrappers", "WSGIWrapper.__init__")
def wsgi(original: Any) -> Any:
    def __init__(self: Any, app: Any, max_body_size: int) -> None:
        original(self, app, max_body_size)
        try:
            self.app = _wsgi.measured(app)
            # Until 0.15 it has nothing to send with: it gives back the whole answer.
            if self.run_app.__code__.co_argcount == 2:
                _wsgi_request.bodies_first[:] = [SERVER]
        except BaseException as error:
            http.failed(error)

    return __init__


# A WSGI application may also stand behind hypercorn's middleware, in one of ASGI.
@replace("hypercorn.app_wrappers", "_build_environ")
def environ(original: Any) -> Any:
    return handing_on(original)


@replace("hypercorn.middleware.dispatcher", "_DispatcherMiddleware.__call__")
def dispatch(original: Any) -> Any:
    async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> None:
        exchange = scope.get(KEY)
        before = "" if exchange is None else exchange.prefix
        try:
            if exchange is not None:
                dispatched(exchange, self.mounts, scope["path"])
        except BaseException as error:
            http.failed(error)
        try:
            await original(self, scope, receive, send)
        finally:
            if exchange is not None:
                exchange.prefix = before

    return __call__


def dispatched(exchange: Exchange, mounts: Any, path: str) -> None:
    """The first mount takes the request that its path begins with."""
    for mount in mounts:
        if path.startswith(mount):
            if mount.rstrip("/"):
                exchange.mounted(mount.rstrip("/"))
            return


@replace("hypercorn.run", "_populate", optional=True)
def populate(original: Any) -> Any:
    def _populate(processes: Any, *args: Any, **kwargs: Any) -> None:
        before = len(processes)
        try:
            original(processes, *args, **kwargs)
        finally:
            started(processes[before:])

    return _populate


# Until 0.15.
@replace("hypercorn.run", "start_processes", optional=True)
def start(original: Any) -> Any:
    def start_processes(*args: Any, **kwargs: Any) -> Any:
        processes = original(*args, **kwargs)
        started(processes)
        return processes

    return start_processes


@replace("hypercorn.run", "run")
def supervise(original: Any) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        finally:  # Until 0.15 nobody looks after workers but at the end, and then it is over.
            try:
                http_workers.look()
            except BaseException as error:
                http_workers.failed(error)

    return run


@replace("hypercorn.run", "_join_exited", optional=True)
def join(original: Any) -> Any:
    def _join_exited(processes: Any) -> Any:
        before = list(processes)
        found = original(processes)
        try:
            for process in before:
                if process.exitcode is not None:
                    http_workers.ended(process.pid, process.exitcode)
        except BaseException as error:
            http_workers.failed(error)
        return found

    return _join_exited


@replace("hypercorn.config", "Config.create_sockets")
def bind(original: Any) -> Any:
    def create_sockets(self: Any) -> Any:
        made = original(self)
        try:
            bound = (*made.secure_sockets, *made.insecure_sockets)
            http_workers.listening(SERVER, [listener.fileno() for listener in bound])
        except BaseException as error:
            http_workers.failed(error)
        return made

    return create_sockets


@replace("hypercorn.asyncio.tcp_server", "TCPServer.run")
@replace("hypercorn.trio.tcp_server", "TCPServer.run", optional=True)
def connect(original: Any) -> Any:
    async def run(self: Any) -> None:
        try:
            http_workers.accepted(SERVER)
        except BaseException as error:
            http_workers.failed(error)
        await original(self)

    return run


def started(processes: Any) -> None:
    """Record processes of multiprocessing."""
    try:
        for process in processes:
            http_workers.started(SERVER, process.pid, process=process)
    except BaseException as error:
        http_workers.failed(error)
