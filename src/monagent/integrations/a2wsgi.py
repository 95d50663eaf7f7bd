"""a2wsgi: an application of one kind inside one of the other is the outer one's request."""

from __future__ import annotations

from monagent.instrument import Library, replace
from monagent.integrations._bridge import handing_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "a2wsgi",
    versions=">=1.10",
    records=("http",),
    covers="nothing by itself: an application inside another of the other kind counts once",
)


@replace("a2wsgi.wsgi", "build_environ")
def environ(original: Any) -> Any:
    return handing_on(original)


@replace("a2wsgi.asgi", "build_scope")
def scope(original: Any) -> Any:
    return handing_on(original, "environ")
