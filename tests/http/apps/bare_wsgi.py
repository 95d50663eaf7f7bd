"""A bare WSGI application: one path per way to answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

FILE = os.path.join(os.path.dirname(__file__), "bare_wsgi.py")


class Body:
    """An iterable that tells when it is closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        """Writes a line for the test to count."""
        sys.stderr.write("closed\n")


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Answers by path."""
    path = environ["PATH_INFO"]
    text = [("Content-Type", "text/plain")]
    if path == "/list":
        start_response("200 OK", text)
        return [b"one"]
    if path == "/pieces":
        start_response("200 OK", text)
        return Body(b"one", b"", b"two")
    if path == "/generator":

        def pieces() -> Iterator[bytes]:
            start_response("200 OK", text)
            yield b"late"
            yield b"start"

        return pieces()
    if path == "/write":
        write = start_response("200 OK", [*text, ("Content-Length", "7")])
        write(b"written")
        return []
    if path == "/file":
        start_response("200 OK", [*text, ("Content-Length", str(os.stat(FILE).st_size))])
        return environ["wsgi.file_wrapper"](open(FILE, "rb"), 4096)
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/same":
        start_response("304 Not Modified", [("ETag", '"1"')])
        return []
    if path == "/twice":
        start_response("200 OK", text)
        try:
            raise ValueError
        except ValueError:
            start_response("503 Twice", text, sys.exc_info())
        return [b"twice"]
    if path == "/echo":
        start_response("200 OK", text)
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]
    if path == "/fail":
        raise RuntimeError("failed before the headers")
    start_response("404 Not Found", text)
    return [b"none"]
