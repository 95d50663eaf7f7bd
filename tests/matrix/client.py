"""A client on a raw socket: it sends one request and reads the answer or goes away in its midst,
or talks over a WebSocket."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead


@dataclass(frozen=True)
class Answer:
    """What the client saw: `status` is 0 when there was no answer that could be read."""

    status: int
    body: bytes


def ask(
    port: int, method: str, path: str, upload: int = 0, leaves: bool = False, patience: float = 20.0
) -> Answer:
    """Sends one request on a connection of its own and reads what comes back."""
    length = f"Content-Length: {upload}\r\n" if method == "POST" else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode() + b"u" * upload)
        answer = HTTPResponse(connection, method=method)
        try:
            answer.begin()
        except (HTTPException, OSError):
            return Answer(0, b"")
        body = b""
        connection.settimeout(patience)
        try:
            body = answer.read1(1) if leaves else answer.read()
        except IncompleteRead as broken:
            body = broken.partial
        except (HTTPException, OSError):
            pass
        with contextlib.suppress(OSError):
            answer.close()
        return Answer(answer.status, body)


UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SAID = b"\x81\x82\0\0\0\0hi"
ECHO = b"\x81\x02hi"
CLOSE = b"\x88\x02\x0f\xa2"
CLOSED = b"\x88\x82\0\0\0\0\x0f\xa2"
FIRST = 2.0
"""Seconds in which an application closes first."""


def talk(port: int, path: str, patience: float = 20.0) -> Answer:
    """Says "hi" on a WebSocket, and when that has come back waits for the application to close it
    with 4002, and closes it as well; gives what it heard.

    Both at once would be a race, which hypercorn with trio loses, bare as well. Quart under granian
    comes not to close it while it waits for messages, so the client does after FIRST seconds.
    """
    heard = b""

    def hear(end: bytes) -> None:
        nonlocal heard
        while end not in heard and (piece := connection.recv(65536)):
            heard += piece

    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(UPGRADE.format(path=path).encode())
        with contextlib.suppress(OSError):
            hear(b"\r\n\r\n")
            connection.sendall(SAID)
            hear(ECHO)
            connection.settimeout(FIRST)
            with contextlib.suppress(TimeoutError):
                hear(ECHO + CLOSE)
            connection.settimeout(patience)
            connection.sendall(CLOSED)
            while connection.recv(65536):
                pass
    status = heard.split(b" ")[1] if b" " in heard else b"0"
    return Answer(int(status), b"hi" if ECHO in heard else heard)
