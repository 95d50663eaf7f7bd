"""Drives a WSGI application the way a server does, one request at a time."""

from __future__ import annotations

import io
from typing import Any
from wsgiref.util import setup_testing_defaults


def get(app: Any, path: str, method: str = "GET", **environ: Any) -> int:
    """Asks for a path, reads the whole answer and closes it; gives the status."""
    said: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        said.append(status)
        return lambda data: None

    path, _, query = path.partition("?")
    given = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **environ}
    given["wsgi.errors"] = io.StringIO()
    setup_testing_defaults(given)
    body = app(given, start_response)
    try:
        for _ in body:
            pass
    finally:
        if hasattr(body, "close"):
            body.close()
    return int(said[-1][:3])
