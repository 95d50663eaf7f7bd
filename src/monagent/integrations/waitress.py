"""waitress: whatever WSGI application it serves.

The application is wrapped inside the middleware that corrects the scheme behind a proxy.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "waitress",
    versions=">=1.4",
    records=("http", "realtime"),
    covers="requests and event streams of any application it serves",
)


@replace("waitress.server", "BaseWSGIServer.__init__")
def serve(original: Any) -> Any:
    def __init__(self: Any, application: Any, *args: Any, **kwargs: Any) -> None:
        try:
            application = measured(application)
        except BaseException as error:
            http.failed(error)
        original(self, application, *args, **kwargs)

    return __init__
