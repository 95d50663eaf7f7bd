"""wsgiref: whatever application the standard library's server runs."""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "wsgiref",
    versions="",
    records=("http", "realtime"),
    covers="requests and event streams of any application it serves",
)


@replace("wsgiref.handlers", "BaseHandler.run")
def run(original: Any) -> Any:
    def run(self: Any, application: Any) -> Any:
        try:
            application = measured(application)
        except BaseException as error:
            http.failed(error)
        return original(self, application)

    return run
