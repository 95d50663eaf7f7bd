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
CLOSED = bytes((0x88, 0x82, 0, 0, 0, 0, 0x0F, 0xA2))


def talk(port: int, path: str, patience: float = 20.0) -> Answer:
    """Says "hi" on a WebSocket, and when that comes back closes it with 4002, as the application
    does; gives what it heard."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(UPGRADE.format(path=path).encode())
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in heard and (piece := connection.recv(65536)):
                heard += piece
            connection.sendall(SAID)
            while ECHO not in heard and (piece := connection.recv(65536)):
                heard += piece
            connection.sendall(CLOSED)
            while connection.recv(65536):
                pass
    status = heard.split(b" ")[1] if b" " in heard else b"0"
    return Answer(int(status), b"hi" if ECHO in heard else heard)
