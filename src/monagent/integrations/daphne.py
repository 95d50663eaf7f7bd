"""daphne: whatever ASGI application it serves, also as Django's `runserver`."""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations import _asgi, _asgi_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "daphne",
    versions=">=4.0",
    records=("http", "realtime"),
    covers="requests, event streams and WebSockets of any application it serves",
)

LEFT = "monagent_left"


@replace("daphne.server", "Server.__init__")
def server(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            self.application = _asgi.shown(self.application)
            _asgi_request.tells_who_left("receive", LEFT)
        except BaseException as error:
            http.failed(error)

    return __init__


# Its `send` is no method of the connection; `receive` is one of the queue that is filled for it.
@replace("daphne.server", "Server.create_application")
def queue(original: Any) -> Any:
    def create_application(self: Any, protocol: Any, scope: Any) -> Any:
        made = original(self, protocol, scope)
        try:
            if made is not None:
                setattr(made, LEFT, False)
        except BaseException as error:
            http.failed(error)
        return made

    return create_application


@replace("daphne.http_protocol", "WebRequest.connectionLost")
def lost(original: Any) -> Any:
    def connectionLost(self: Any, reason: Any) -> Any:
        try:
            if self.application_queue is not None:
                setattr(self.application_queue, LEFT, True)
        except BaseException as error:
            http.failed(error)
        return original(self, reason)

    return connectionLost
