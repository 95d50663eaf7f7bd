"""waitress: whatever WSGI application it serves, its threads, and the requests that wait for one.

The application is wrapped inside the middleware that corrects the scheme behind a proxy.
"""

from __future__ import annotations

from weakref import ref

from monagent.conventions import http, http_workers
from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace
from monagent.integrations._wsgi import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "waitress",
    versions=">=1.4",
    records=("http", "realtime", "http_workers"),
    covers="requests and event streams of any application it serves; its threads and their queue",
)

SERVER = "waitress"


@replace("waitress.server", "BaseWSGIServer.__init__")
def serve(original: Any) -> Any:
    def __init__(self: Any, application: Any, *args: Any, **kwargs: Any) -> None:
        try:
            if not http.left_alone(application):
                application = measured(telling_who_left(application))
        except BaseException as error:
            http.failed(error)
        original(self, application, *args, **kwargs)
        try:
            http_workers.ACCEPTED.bind(SERVER)(0.0)
            if self.socket is not None:
                http_workers.listening(SERVER, [self.socket.fileno()])
        except BaseException as error:
            http_workers.failed(error)

    return __init__


@replace("waitress.task", "ThreadedTaskDispatcher.__init__")
def dispatch(original: Any) -> Any:
    def __init__(self: Any) -> None:
        original(self)
        try:
            http_workers.threads(SERVER, threads(ref(self)))
        except BaseException as error:
            http_workers.failed(error)

    return __init__


@replace("waitress.channel", "HTTPChannel.__init__")
def connect(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            http_workers.accepted(SERVER)
        except BaseException as error:
            http_workers.failed(error)
        original(self, *args, **kwargs)

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


def threads(dispatcher: Any) -> Any:
    """How the dispatcher is that gives requests to threads."""

    def numbers() -> tuple[int, int, int] | None:
        found = dispatcher()
        if found is None:
            return None
        return len(found.threads), max(0, found.active_count), len(found.queue)

    return numbers
