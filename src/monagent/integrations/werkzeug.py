"""werkzeug: whatever its development server runs, and the mount points of its dispatcher."""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "werkzeug",
    versions=">=2.2",
    records=("http",),
    covers="requests of any application that its development server runs",
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
            dispatched(environ)
        except BaseException as error:
            http.failed(error)
        return original(self, environ, start_response)

    return __call__


def dispatched(environ: dict[str, Any]) -> None:
    """The dispatcher will add its mount point to SCRIPT_NAME: remember where it begins."""
    exchange = environ.get(KEY)
    if exchange is not None and exchange.script is None:
        exchange.script = environ.get("SCRIPT_NAME", "")
