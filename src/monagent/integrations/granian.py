"""granian: whatever ASGI or WSGI application it serves, and its worker processes.

RSGI applications are not recorded. Connections are accepted in Rust, where nobody can look, at
sockets that workers have from their parent or open there: the exporter finds them.
"""

from __future__ import annotations

from time import sleep

from monagent.conventions import http, http_workers
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _asgi_request, _websocket, _wsgi, _wsgi_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "granian",
    versions=">=1.6",
    records=("http", "realtime", "http_workers"),
    covers="requests, event streams and WebSockets of ASGI applications, requests of WSGI "
    "ones; its workers",
)


@replace("granian.asgi", "_callback_wrapper")
def asgi(original: Any) -> Any:
    def _callback_wrapper(callback: Any, *args: Any, **kwargs: Any) -> Any:
        listens()
        try:
            callback = _asgi.measured(callback)
            _asgi_request.held[:] = [lambda request: request.stage == _asgi_request.FRESH]
            _websocket.unclosed[:] = [lambda _: _websocket.UNSAID]
            _websocket.unanswered[:] = [_websocket.REFUSED]
        except BaseException as error:
            http.failed(error)
        return original(callback, *args, **kwargs)

    return _callback_wrapper


@replace("granian.wsgi", "_callback_wrapper")
def wsgi(original: Any) -> Any:
    def _callback_wrapper(callback: Any, *args: Any, **kwargs: Any) -> Any:
        listens()
        try:
            _wsgi_request.heads_first[:] = ["granian"]
            callback = _wsgi.measured(callback)
        except BaseException as error:
            http.failed(error)
        return original(callback, *args, **kwargs)

    return _callback_wrapper


@replace("granian.rsgi", "_callback_wrapper")
def rsgi(original: Any) -> Any:
    def _callback_wrapper(*args: Any, **kwargs: Any) -> Any:
        listens()
        return original(*args, **kwargs)

    return _callback_wrapper


def listens() -> None:
    """This process is a worker, or serves itself."""
    try:
        http_workers.listening_somewhere("granian")
    except BaseException as error:
        http_workers.failed(error)


@replace("granian.server.common", "AbstractWorker.start", optional=True)
@replace("granian.server", "Worker.start", optional=True)  # Until 1.7.
def start(original: Any) -> Any:
    def start(self: Any) -> None:
        original(self)
        try:
            if (found := process(self)) is not None:
                http_workers.started("granian", found.pid)
        except BaseException as error:
            http_workers.failed(error)

    return start


@replace("granian.server.common", "AbstractWorker._watcher", optional=True)
@replace("granian.server", "Worker._watcher", optional=True)
def watch(original: Any) -> Any:
    def _watcher(self: Any) -> None:  # A thread for each worker.
        try:
            original(self)
        finally:
            try:
                if (found := process(self)) is not None:
                    http_workers.ended(found.pid, exit_code(found))
            except BaseException as error:
                http_workers.failed(error)

    return _watcher


def process(worker: Any) -> Any:
    """The process of a worker; None when it is a thread, as without a GIL."""
    found = getattr(worker, "inner", None) or getattr(worker, "proc", None)
    return found if hasattr(found, "exitcode") else None


def exit_code(ended: Any) -> int | None:
    """Of two threads that wait for a process one learns how it ended; the other has to see."""
    for _ in range(50):
        if ended.exitcode is not None:
            break
        sleep(0.01)
    code: int | None = ended.exitcode
    return code
