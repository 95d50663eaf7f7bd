"""gunicorn: whatever WSGI application its sync, gthread and gevent workers serve, and ASGI ones.

Workers of other projects bring their own server (uvicorn's: see uvicorn) and are left alone.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _asgi_request, _wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "gunicorn",
    versions=">=20",
    records=("http", "realtime"),
    covers="requests of any application that its own workers serve",
)

WSGI_WORKERS = ("gunicorn.workers.sync", "gunicorn.workers.gthread", "gunicorn.workers.base_async")


@replace("gunicorn.workers.base", "Worker.load_wsgi")
def wsgi(original: Any) -> Any:
    def load_wsgi(self: Any) -> None:
        original(self)
        try:
            if any(base.__module__ in WSGI_WORKERS for base in type(self).__mro__):
                self.wsgi = _wsgi.measured(self.wsgi)
        except BaseException as error:
            http.failed(error)

    return load_wsgi


# gunicorn has a server for ASGI since 24.
@replace("gunicorn.workers.gasgi", "ASGIWorker.load_wsgi", optional=True)
def asgi(original: Any) -> Any:
    def load_wsgi(self: Any) -> None:
        original(self)
        try:
            self.asgi = _asgi.measured(self.asgi)
            _asgi_request.tells_who_left("receive", "protocol._closed")
        except BaseException as error:
            http.failed(error)

    return load_wsgi
