"""uvicorn: whatever application it serves, also a bare ASGI or WSGI one, and its workers.

The application is wrapped after uvicorn has decided which interface it speaks (before that, a
wrapper would have to look like an ASGI2 or ASGI3 callable exactly when the application does), and
inside the middleware that corrects scheme and client address behind a proxy.
"""

from __future__ import annotations

from monagent.conventions import http
from monagent.instrument import Library, replace
from monagent.integrations import _uvicorn_workers, _websocket
from monagent.integrations._asgi import measured, shown
from monagent.integrations._asgi_request import tells_who_left
from monagent.integrations._bridge import handing_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from monagent.integrations._asgi_request import Receive, Scope, Send

LIBRARY = Library(
    "uvicorn",
    versions=">=0.17",
    records=("http", "realtime", "http_workers"),
    covers="requests, event streams and WebSockets of any application it serves; its workers",
)

PROXY, LOGGER = "ProxyHeadersMiddleware", "MessageLoggerMiddleware"


@replace("uvicorn.config", "Config.load")
def load(original: Any) -> Any:
    def load(self: Any) -> None:
        original(self)
        try:
            wrap(self)
        except BaseException as error:
            http.failed(error)

    return load


@replace("uvicorn.protocols.http.h11_impl", "service_unavailable")
@replace("uvicorn.protocols.http.httptools_impl", "service_unavailable", optional=True)
@replace("uvicorn.protocols.http.zttp_impl", "service_unavailable", optional=True)
@replace("uvicorn.protocols.http.zttp_h2_impl", "service_unavailable", optional=True)
def turned_away(original: Any) -> Any:
    recorded = measured(original)

    async def service_unavailable(scope: Scope, receive: Receive, send: Send) -> None:
        await recorded(scope, receive, send)

    return service_unavailable


@replace("uvicorn.middleware.wsgi", "build_environ")
def environ(original: Any) -> Any:
    return handing_on(original)


def wrap(config: Any) -> None:
    """Put the measuring innermost of uvicorn's own layers; the program's are left as they are."""
    tells_who_left("send", "disconnected")
    _websocket.unclosed[:] = [lambda _: _websocket.LOST]
    owner, name, app = config, "loaded_app", config.loaded_app
    own = [PROXY, LOGGER] if config.proxy_headers else [LOGGER]
    for layer in own:
        if type(app).__name__ == layer:
            owner, name, app = app, "app", app.app
    inside = app
    while type(inside).__name__ == PROXY:
        inside = inside.app
    if measured(inside) is not inside:  # Else it measures itself, and knows the right scheme.
        setattr(owner, name, shown(app))


@replace("uvicorn.supervisors.multiprocess", "Process.start", optional=True)
def start(original: Any) -> Any:
    return _uvicorn_workers.starting(original)


@replace("uvicorn.supervisors.multiprocess", "Process.terminate", optional=True)
def terminate(original: Any) -> Any:
    return _uvicorn_workers.terminating(original)


@replace("uvicorn.supervisors.multiprocess", "Process.kill", optional=True)
def kill(original: Any) -> Any:
    return _uvicorn_workers.killing(original)


@replace("uvicorn.supervisors.multiprocess", "Process.join", optional=True)
def join(original: Any) -> Any:
    return _uvicorn_workers.joining(original)


@replace("uvicorn.supervisors.multiprocess", "Multiprocess.startup", optional=True)
@replace("uvicorn.supervisors.multiprocess", "Multiprocess.shutdown", optional=True)
@replace("uvicorn.supervisors.basereload", "BaseReload.startup")
@replace("uvicorn.supervisors.basereload", "BaseReload.restart")
@replace("uvicorn.supervisors.basereload", "BaseReload.shutdown")
def change(original: Any) -> Any:
    return _uvicorn_workers.changing(original)


@replace("uvicorn.config", "Config.bind_socket")
def bind(original: Any) -> Any:
    return _uvicorn_workers.binding(original)


@replace("uvicorn.server", "Server.startup")
def serve(original: Any) -> Any:
    return _uvicorn_workers.serving(original)


@replace("uvicorn.server", "Server.shutdown")
def stop(original: Any) -> Any:
    return _uvicorn_workers.stopping(original)


@replace("uvicorn.protocols.http.h11_impl", "H11Protocol.connection_made")
@replace(
    "uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.connection_made", optional=True
)
@replace("uvicorn.protocols.http.zttp_impl", "ZttpProtocol.connection_made", optional=True)
@replace("uvicorn.protocols.http.zttp_h2_impl", "ZttpH2Protocol.connection_made", optional=True)
@replace("uvicorn.protocols.http.auto_zttp_impl", "AutoZttpProtocol.connection_made", optional=True)
def connect(original: Any) -> Any:
    return _uvicorn_workers.connecting(original)
