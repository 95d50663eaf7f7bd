"""asgiref: a WSGI application behind its `WsgiToAsgi` is the outer application's request."""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations._bridge import handing_on

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
    return handing_on(original, at=1)
