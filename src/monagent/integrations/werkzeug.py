"""werkzeug: whatever its development server runs, and the mount points of its dispatcher."""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.conventions.http import error_type
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.conventions._exchange import Exchange

LIBRARY = Library(
    "werkzeug",
    versions=">=2.2",
    records=("http", "realtime"),
    covers="requests and event streams of any application that its development server runs",
)


@replace("werkzeug.serving", "BaseWSGIServer.__init__")
def serve(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            self.app = shown(self.app)
        except BaseException as error:
            http.failed(error)

    return __init__


@replace("werkzeug.middleware.dispatcher", "DispatcherMiddleware.__call__")
def dispatch(original: Any) -> Any:
    def __call__(self: Any, environ: Any, start_response: Any) -> Any:
        try:
            exchange = environ.get(KEY)
            if exchange is not None:
                dispatched(exchange, self.mounts, environ.get("PATH_INFO", ""))
        except BaseException as error:
            http.failed(error)
        return original(self, environ, start_response)

    return __call__


@replace("werkzeug.debug.tbtools", "DebugTraceback.__init__")
def debugged(original: Any) -> Any:
    def __init__(self: Any, exc: Any, *args: Any, **kwargs: Any) -> None:
        original(self, exc, *args, **kwargs)
        try:
            frame = sys._getframe(1)
            if frame.f_code.co_name == "debug_application":
                swallowed(frame.f_locals["environ"].get(KEY), exc)
        except BaseException as error:
            http.failed(error)

    return __init__


def swallowed(exchange: Exchange | None, error: BaseException) -> None:
    """The debugger has caught an exception: it answers, or the answer that has begun ends here."""
    if exchange is not None:
        exchange.error = exchange.caught = error_type(error)


def dispatched(exchange: Exchange, mounts: Any, path: str) -> None:
    """The longest mount takes the request that its path begins with.

    Not read off SCRIPT_NAME and PATH_INFO, which middleware behind the dispatcher may set to what
    headers of the request say.
    """
    if not isinstance(mounts, dict):
        return
    has: Any = dict.__contains__  # One of the application's own may do anything when it is asked.
    while "/" in path and not has(mounts, path):
        path = path.rpartition("/")[0]
    if path and has(mounts, path):
        # What is the path's own (`_by_path`) or of somebody in front stays, if nobody says more.
        if exchange.route in (http.UNMATCHED, exchange.prefix):
            exchange.mounted(path)
        else:
            exchange.prefix += path
