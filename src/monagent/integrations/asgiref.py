"""asgiref: a WSGI application behind its `WsgiToAsgi` is the outer application's request."""

from __future__ import annotations

from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "asgiref",
    versions=">=3.2",
    records=("http",),
    covers="nothing by itself: a WSGI application inside an ASGI one counts once",
)


@replace("asgiref.wsgi", "WsgiToAsgiInstance.build_environ")
def environ(original: Any) -> Any:
    def build_environ(self: Any, scope: Any, body: Any) -> Any:
        built = original(self, scope, body)
        if KEY in scope:
            built[KEY] = scope[KEY]
        return built

    return build_environ
