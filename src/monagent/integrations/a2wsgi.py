"""a2wsgi: an application of one kind inside one of the other is the outer one's request."""

from __future__ import annotations

from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace

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
    def build_environ(scope: Any, body: Any) -> Any:
        built = original(scope, body)
        if KEY in scope:
            built[KEY] = scope[KEY]
        return built

    return build_environ


@replace("a2wsgi.asgi", "build_scope")
def scope(original: Any) -> Any:
    def build_scope(environ: Any) -> Any:
        built = original(environ)
        if KEY in environ:
            built[KEY] = environ[KEY]
        return built

    return build_scope
