"""granian: whatever ASGI or WSGI application it serves (RSGI applications are not recorded)."""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "granian",
    versions=">=1.6",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of ASGI applications, requests of WSGI ones",
)


@replace("granian.asgi", "_callback_wrapper")
def asgi(original: Any) -> Any:
    def _callback_wrapper(callback: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            callback = _asgi.measured(callback)
        except BaseException as error:
            http.failed(error)
        return original(callback, *args, **kwargs)

    return _callback_wrapper


@replace("granian.wsgi", "_callback_wrapper")
def wsgi(original: Any) -> Any:
    def _callback_wrapper(callback: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            callback = _wsgi.measured(callback)
        except BaseException as error:
            http.failed(error)
        return original(callback, *args, **kwargs)

    return _callback_wrapper
