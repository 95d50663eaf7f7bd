"""Sends a request to Django in this process, through its WSGI or its ASGI entry."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from wsgiref.util import FileWrapper

from tests.http import asgi

KINDS = ("wsgi", "asgi")


@dataclass(frozen=True)
class Answer:
    """What a server would have sent."""

    status: int
    headers: list[Any]
    body: bytes


def application(kind: str, static: bool = False) -> Any:
    """A new handler, with what serves static files around it."""
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    if kind == "wsgi":
        return StaticFilesHandler(WSGIHandler()) if static else WSGIHandler()
    return ASGIStaticFilesHandler(ASGIHandler()) if static else ASGIHandler()


def send(kind: str, app: Any, path: str, method: str = "GET", body: bytes = b"") -> Answer:
    """One request to an application of that kind."""
    return (_wsgi if kind == "wsgi" else _asgi)(app, path, method, body)


def get(kind: str, path: str, method: str = "GET", body: bytes = b"") -> Answer:
    """One request to the project."""
    return send(kind, application(kind), path, method, body)


def _wsgi(app: Any, path: str, method: str, body: bytes) -> Answer:
    path, _, query = path.partition("?")
    started: list[Any] = []
    result = app(
        {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.file_wrapper": FileWrapper,
        },
        lambda status, headers, exc_info=None: started.append((status, headers)),
    )
    try:
        sent = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Answer(int(started[-1][0][:3]), started[-1][1], sent)


def _asgi(app: Any, path: str, method: str, body: bytes) -> Answer:
    path, _, query = path.partition("?")
    sent = asgi.run(app, path, method, body=[body], query_string=query.encode())
    return Answer(asgi.status(sent), sent[0]["headers"], asgi.body_of(sent))
