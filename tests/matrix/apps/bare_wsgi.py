"""WSGI without a framework, routed by hand: nobody can know a route."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

SERVERS = (
    "gunicorn",
    "gunicorn-gthread",
    "gunicorn-gevent",
    "hypercorn-wsgi",
    "granian-wsgi",
    "werkzeug",
    "wsgiref",
)
APP = "app"
ROUTES = {"*": "unmatched"}
EXCEPT = {"sub": "nothing can be mounted", "static": "serves no files"}

PLAIN = {
    "/ok": ("200 OK", b"ok"),
    "/items/7": ("200 OK", b"7"),
    "/redirect": ("302 Found", b""),
    "/teapot": ("418 Teapot", b"teapot"),
    "/large": ("200 OK", b"x" * 10_000_000),
    "/many/999/y": ("200 OK", b"y"),
}


class Working:
    """A body with work to do once it is sent."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"answered"

    def close(self) -> None:
        time.sleep(1)


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Answers by path."""
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError
    if path == "/upload":
        left = int(environ["CONTENT_LENGTH"])
        start_response("200 OK", [])
        return [str(len(environ["wsgi.input"].read(left))).encode()]
    if path == "/background":
        start_response("200 OK", [("Content-Length", "8")])
        return Working()
    if path in ("/stream", "/endless", "/late", "/early"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return chunks(path)
    status, body = PLAIN.get(path, ("404 Not Found", b"none"))
    if path in PLAIN and environ["REQUEST_METHOD"] != "GET":
        status, body = "405 Method Not Allowed", b""
    headers = [("Content-Length", str(len(body)))]
    if status == "302 Found":
        headers.append(("Location", "/ok"))
    start_response(status, headers)
    return [body]


def chunks(path: str) -> Iterator[bytes]:
    if path == "/early":
        raise ValueError
    yield b"a"
    if path == "/late":
        raise ValueError
    for letter in (b"b", b"c"):
        time.sleep(0.05)
        yield letter
    while path == "/endless":
        time.sleep(0.01)
        yield b"more"
