"""A client on a raw socket: it sends one request, reads the answer or goes away in its midst."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead

PATIENCE = 20.0
"""Seconds a server may stay silent."""


@dataclass(frozen=True)
class Answer:
    """What the client saw: `status` is 0 when there was no answer that could be read."""

    status: int
    body: bytes


def ask(port: int, method: str, path: str, upload: int = 0, leaves: bool = False) -> Answer:
    """Sends one request on a connection of its own and reads what comes back."""
    length = f"Content-Length: {upload}\r\n" if method == "POST" else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + b"u" * upload)
        answer = HTTPResponse(connection, method=method)
        try:
            answer.begin()
        except (HTTPException, OSError):
            return Answer(0, b"")
        body = b""
        try:
            body = answer.read1(1) if leaves else answer.read()
        except IncompleteRead as broken:
            body = broken.partial
        except (HTTPException, OSError):
            pass
        with contextlib.suppress(OSError):
            answer.close()
        return Answer(answer.status, body)
