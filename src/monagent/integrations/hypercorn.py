"""hypercorn: whatever ASGI or WSGI application it serves."""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _asgi_request, _wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "hypercorn",
    versions=">=0.14",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of any application it serves",
)


@replace("hypercorn.app_wrappers", "ASGIWrapper.__init__")
def asgi(original: Any) -> Any:
    def __init__(self: Any, app: Any) -> None:
        original(self, app)
        try:
            self.app = _asgi.measured(app)
            _asgi_request.tells_who_left("send", "closed")
        except BaseException as error:
            http.failed(error)

    return __init__


@replace("hypercorn.app_wrappers", "WSGIWrapper.__init__")
def wsgi(original: Any) -> Any:
    def __init__(self: Any, app: Any, max_body_size: int) -> None:
        original(self, app, max_body_size)
        try:
            self.app = _wsgi.measured(app)
        except BaseException as error:
            http.failed(error)

    return __init__
