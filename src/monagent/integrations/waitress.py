"""waitress: whatever WSGI application it serves.

The application is wrapped inside the middleware that corrects the scheme behind a proxy.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.conventions._exchange import KEY
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
            if not http.left_alone(application):
                application = measured(telling_who_left(application))
        except BaseException as error:
            http.failed(error)
        original(self, application, *args, **kwargs)

    return __init__


def telling_who_left(application: Any) -> Any:
    """An application that writes learns by an exception that its client has left."""
    from waitress.channel import ClientDisconnected  # Imported already, a server is being made.

    def telling(environ: Any, start_response: Any) -> Any:
        try:
            return application(environ, start_response)
        except ClientDisconnected:
            if KEY in environ:
                environ[KEY].gone = True
            raise

    return telling
