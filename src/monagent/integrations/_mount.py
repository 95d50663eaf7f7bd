"""MONAGENT_MOUNT: the application's own port serves the metrics too, fetched from the exporter.

The exporter listens for this on a socket of its own beside the endpoint (`where.feed`),
and answers there as it does on the endpoint, passwords included. No request of these is counted.
"""

from __future__ import annotations

import sys

from monagent import metrics, settings, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Any

    from monagent.integrations._asgi_request import Scope, Send
    from monagent.integrations._wsgi import Environ

TIMEOUT = 10.0
"""Seconds that an exporter may take for an answer."""

PART = 65_536
"""Bytes that are read at once."""

_PASSED = ("accept", "accept-encoding", "authorization")
_NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
_OWN = frozenset(("connection", "content-length"))


def path() -> str | None:
    """The path that is served, None where none is."""
    return settings.current().mount


async def asgi(scope: Scope, send: Send) -> None:
    """Answer a request over ASGI."""
    headers = (
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    asked = _request(scope["method"], headers)
    try:
        answer = await (_by_trio(asked) if _under_trio() else _by_asyncio(asked))
    except Exception as error:  # asyncio and trio have their own for a timeout
        answer = _absent(error)
    status, fields, body = _parsed(answer)
    if scope["method"] == "HEAD":
        body = b""
    else:
        fields.append(("content-length", str(len(body))))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Answer a request over WSGI."""
    fields = ((name, environ.get(f"HTTP_{name.upper().replace('-', '_')}", "")) for name in _PASSED)
    method = environ["REQUEST_METHOD"]
    try:
        answer = _blocking(_request(method, fields))
    except OSError as error:  # a timeout is one
        answer = _absent(error)
    status, headers, body = _parsed(answer)
    if method == "HEAD":
        body = b""
    else:
        headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]


def _request(method: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"{method} {settings.current().path} HTTP/1.0", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers if value and name.lower() in _PASSED]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _address() -> str:
    directory = metrics.recording().shard.directory
    if directory is None:
        raise FileNotFoundError("nothing is recorded in a place that an exporter reads")
    return where.feed(directory)


def _absent(error: BaseException) -> bytes:
    return _NOBODY + f"monagent: the exporter does not answer: {error}\n".encode()


def _parsed(answer: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = [line.partition(": ")[::2] for line in lines]
    return first.partition(" ")[2], [(n, v) for n, v in fields if n.lower() not in _OWN], body


def _under_trio() -> bool:
    trio: Any = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


async def _by_asyncio(asked: bytes) -> bytes:
    asyncio: Any = sys.modules["asyncio"]  # Where a coroutine runs, it was imported.
    loop = asyncio.get_running_loop()

    # Not open_unix_connection: uvloop's takes no abstract name.
    async def exchange() -> bytes:
        with _socket() as one:
            one.setblocking(False)
            await loop.sock_connect(one, _address())
            await loop.sock_sendall(one, asked)
            parts = []
            while part := await loop.sock_recv(one, PART):
                parts.append(part)
            return b"".join(parts)

    answer: bytes = await asyncio.wait_for(exchange(), TIMEOUT)
    return answer


async def _by_trio(asked: bytes) -> bytes:
    trio: Any = sys.modules["trio"]
    with trio.fail_after(TIMEOUT):
        async with trio.SocketStream(trio.socket.from_stdlib_socket(_socket())) as stream:
            await stream.socket.connect(_address())
            await stream.send_all(asked)
            return b"".join([part async for part in stream])


def _blocking(asked: bytes) -> bytes:
    with _socket() as one:
        one.settimeout(TIMEOUT)
        one.connect(_address())
        one.sendall(asked)
        parts = []
        while part := one.recv(PART):
            parts.append(part)
        return b"".join(parts)


def _socket() -> socket.socket:
    import socket  # Whatever serves has imported it.

    return socket.socket(socket.AF_UNIX)
