"""gunicorn: whatever WSGI application its sync, gthread and gevent workers serve, and ASGI ones;
the workers themselves, as its master sees them.

Workers of other projects bring their own server (uvicorn's: see uvicorn): their requests are left
to it.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations import (
    _asgi,
    _asgi_request,
    _gunicorn_arbiter,
    _gunicorn_worker,
    _wsgi,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "gunicorn",
    versions=">=20",
    records=("http", "realtime", "http_workers"),
    covers="requests of any application that its own workers serve; starts and ends of all workers",
)

WSGI_WORKERS = ("gunicorn.workers.sync", "gunicorn.workers.gthread", "gunicorn.workers.base_async")


@replace("gunicorn.workers.base", "Worker.load_wsgi")
def wsgi(original: Any) -> Any:
    def load_wsgi(self: Any) -> None:
        original(self)
        try:
            if any(base.__module__ in WSGI_WORKERS for base in type(self).__mro__):
                self.wsgi = _wsgi.shown(self.wsgi)
        except BaseException as error:
            http.failed(error)

    return load_wsgi


# gunicorn has a server for ASGI since 24.
@replace("gunicorn.workers.gasgi", "ASGIWorker.load_wsgi", optional=True)
def asgi(original: Any) -> Any:
    def load_wsgi(self: Any) -> None:
        original(self)
        try:
            self.asgi = _asgi.shown(self.asgi)
            _asgi_request.tells_who_left("receive", "protocol._closed")
        except BaseException as error:
            http.failed(error)

    return load_wsgi


@replace("gunicorn.arbiter", "Arbiter.spawn_worker")
def spawn(original: Any) -> Any:
    return _gunicorn_arbiter.spawning(original)


@replace("gunicorn.arbiter", "Arbiter.reap_workers")
def reap(original: Any) -> Any:
    return _gunicorn_arbiter.reaping(original)


@replace("gunicorn.arbiter", "Arbiter.manage_workers")
def manage(original: Any) -> Any:
    return _gunicorn_arbiter.managing(original)


@replace("gunicorn.workers.base", "Worker.init_process")
def work(original: Any) -> Any:
    return _gunicorn_worker.working(original)


@replace("gunicorn.workers.sync", "SyncWorker.handle")
@replace("gunicorn.workers.base_async", "AsyncWorker.handle")
def handle(original: Any) -> Any:
    return _gunicorn_worker.handling(original)


@replace("gunicorn.workers.gthread", "TConn.__init__")
def connect(original: Any) -> Any:
    return _gunicorn_worker.connecting(original)


@replace("gunicorn.asgi.protocol", "ASGIProtocol.connection_made", optional=True)
def connected(original: Any) -> Any:
    return _gunicorn_worker.connected(original)
