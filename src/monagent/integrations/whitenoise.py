"""WhiteNoise: static files that it serves before any route is looked for, as one route each tree.

Requests are its server's or Django's, see there.
"""

from __future__ import annotations

import sys

from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.instrument import Library, replace
from monagent.integrations._django import exchange_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "whitenoise",
    versions=">=6.0",
    records=("http",),
    covers="nothing by itself: its files are one route, in Django and around WSGI applications",
)


@replace("whitenoise.middleware", "WhiteNoiseMiddleware.serve")
def middleware(original: Any) -> Any:
    def serve(static_file: Any, request: Any) -> Any:
        try:
            exchange = exchange_of(request)
            if exchange is not None:
                exchange.routed(template(request.path_info))
        except BaseException as error:
            http.failed(error)
        return original(static_file, request)

    return serve


@replace("whitenoise.base", "WhiteNoise.serve")
def wsgi(original: Any) -> Any:
    def serve(static_file: Any, environ: Any, start_response: Any) -> Any:
        try:
            if KEY in environ:
                environ[KEY].routed("/<path>")
        except BaseException as error:
            http.failed(error)
        return original(static_file, environ, start_response)

    return serve


def template(path: str) -> str:
    """Files below Django's STATIC_URL apart from those of the site's root."""
    prefix: str = sys.modules["django.conf"].settings.STATIC_URL or ""
    prefix = "/" + prefix.partition("//")[2].partition("/")[2] if "//" in prefix else prefix
    return f"{prefix}<path>" if prefix != "/" and path.startswith(prefix) else "/<path>"
