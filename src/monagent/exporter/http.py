"""The endpoint: GET and HEAD of the metrics, of /healthz and of /, over HTTP/1.1.

One task for each connection and no thread.  Whoever says nothing, says it too slowly or says too
much is cut off; when there are too many connections, the one that has been idle longest goes.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from monagent.exporter.negotiation import format_of, takes_gzip
from monagent.exporter.webconfig import WebConfig

HEADER_LIMIT = 16 * 1024
HEADER_TIME = 5.0
IDLE_TIME = 90.0
"""Seconds between two requests on one connection; scrapers come back every 15 to 60."""
ANSWER_TIME = 30.0
"""Seconds for the client to take the answer."""
HELD = 64 * 1024 * 1024
"""Bytes of answers on their way; beyond, whoever has been taking for longest is cut off,"""
HASTE = 2.0
"""but nobody who began less than these seconds ago."""
PART = 64 * 1024
"""Bytes of an answer that are handed on at a time, so that it lies in memory once."""

Render = Callable[[str, bool], Awaitable[bytes]]
"""Gives the exposition in this content type, compressed with gzip or not."""

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    505: "HTTP Version Not Supported",
}


@dataclass
class Request:
    """What a client asks for; header names in lower case."""

    method: str
    path: str
    version: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def persistent(self) -> bool:
        """Whether another request may follow on the connection.  Bodies are never read."""
        has_body = self.headers.get("content-length", "0") != "0"
        if has_body or "transfer-encoding" in self.headers or self.version != "HTTP/1.1":
            return False
        return "close" not in self.headers.get("connection", "").lower()


class Refused(Exception):
    """The request cannot be answered as asked; carries the status."""

    def __init__(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class Server:
    """Serves one listening socket.

    `on_shed` is called for every connection that is cut off, `on_error` while an error of our own
    is handled.
    """

    def __init__(self, render: Render, path: str, web: WebConfig, connections: int = 128) -> None:
        self._render = render
        self._path = path
        self._web = web
        self._most = connections
        # Oldest first; the value is the time since when the connection waits, 0 while it is served.
        self._open: dict[asyncio.Task[None], float] = {}
        # Who is taking an answer: since when, and its size; oldest first.
        self._taking: dict[asyncio.Task[None], tuple[float, int]] = {}
        self.on_shed: Callable[[], None] = lambda: None
        self.on_error: Callable[[], None] = lambda: None

    async def serve(self, listener: socket.socket, plain: bool = False) -> None:
        """Accepts until cancelled; `plain`: without TLS, for who asks from the same machine."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    sock, _ = await loop.sock_accept(listener)
                except OSError:
                    # Out of descriptors, or the client is gone already.
                    self._make_room()
                    await asyncio.sleep(0.05)
                    continue
                if len(self._open) >= self._most and not self._make_room():
                    self.on_shed()
                    sock.close()
                    continue
                task = loop.create_task(self._connection(sock, plain))
                self._open[task] = time.monotonic()
                task.add_done_callback(self._forget)
        finally:
            tasks = list(self._open)
            for task in tasks:
                task.cancel()
            # What they close is closed by the loop, which may be closed itself a moment later.
            await asyncio.gather(*tasks, return_exceptions=True)

    def _make_room(self) -> bool:
        """Cuts off whoever has been waiting for longest; False if all are being served."""
        waiting = [(since, id(task), task) for task, since in self._open.items() if since]
        if not waiting:
            return False
        task = min(waiting)[2]
        self._open[task] = 0.0
        self.on_shed()
        task.cancel()
        return True

    def _bound(self) -> None:
        """Cuts off those who take their answer too slowly when too much is held for them all."""
        held = sum(size for _, size in self._taking.values())
        for task, (since, size) in list(self._taking.items()):
            if held <= HELD or time.monotonic() - since < HASTE:
                return
            held -= size
            del self._taking[task]
            self.on_shed()
            task.cancel()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._open.pop(task, None)
        self._taking.pop(task, None)
        if not task.cancelled():
            task.exception()

    async def _connection(self, sock: socket.socket, plain: bool) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEADER_LIMIT)
        protocol = asyncio.StreamReaderProtocol(reader)
        tls = None if plain else self._web.context()
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=tls,
                ssl_handshake_timeout=HEADER_TIME if tls else None,
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):  # ssl.SSLError is one
                return
            raise
        # What is handed to the transport has to be gone before the next part, and before the end.
        transport.set_write_buffer_limits(0)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._requests(reader, writer)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            # Not close(): what the client does not fetch would wait in memory for ever.
            if transport.get_write_buffer_size():
                transport.abort()
            else:
                transport.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        patience = HEADER_TIME
        while True:
            self._open[task] = time.monotonic()
            try:
                head = await asyncio.wait_for(_head(reader), patience)
                if not head:
                    return
                request = _parsed(head)
                keep = request.persistent
                self._open[task] = 0.0
                answer = await self._answer(request, keep)
            except Refused as refusal:
                keep = False
                answer = _refusal(refusal, self._web.headers)
            except (asyncio.TimeoutError, asyncio.IncompleteReadError):
                self.on_shed()
                raise
            self._taking[task] = time.monotonic(), len(answer)
            self._bound()
            try:
                await asyncio.wait_for(_sent(writer, answer), ANSWER_TIME)
            except asyncio.TimeoutError:
                self.on_shed()
                raise
            finally:
                self._taking.pop(task, None)
            del answer
            if not keep:
                await _lingering(reader, writer)
                return
            patience = IDLE_TIME

    async def _answer(self, request: Request, keep: bool) -> bytes:
        try:
            headers, body = await self._resource(request)
            status = 200
        except Exception as error:
            refusal = error if isinstance(error, Refused) else Refused(500, "An error of our own")
            if refusal is not error:
                self.on_error()
            status, headers = refusal.status, [*refusal.headers]
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
            body = f"{refusal}\n".encode()
        head = _head_of(status, [*headers, *self._web.headers], len(body), keep)
        return head if request.method == "HEAD" else head + body

    async def _resource(self, request: Request) -> tuple[list[tuple[str, str]], bytes]:
        if request.path not in (self._path, "/healthz", "/"):
            raise Refused(404, f"Not found; metrics are at {self._path}")
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, "Only GET and HEAD are answered", ("Allow", "GET, HEAD"))
        plain = [("Content-Type", "text/plain; charset=utf-8")]
        # A liveness probe knows no password, and learns nothing here.
        if request.path == "/healthz":
            return plain, b"ok\n"
        if not await self._web.admits(request.headers.get("authorization", "")):
            raise Refused(401, "Unauthorized", ("WWW-Authenticate", "Basic"))
        if request.path == "/":
            return plain, f"monagent: metrics are at {self._path}\n".encode()
        kind = format_of(request.headers.get("accept", ""))
        compressed = takes_gzip(request.headers.get("accept-encoding", ""))
        headers = [("Content-Type", kind), ("Vary", "Accept, Accept-Encoding")]
        if compressed:
            headers.append(("Content-Encoding", "gzip"))
        return headers, await self._render(kind, compressed)


async def _sent(writer: asyncio.StreamWriter, answer: bytes) -> None:
    view = memoryview(answer)
    for start in range(0, len(view), PART):
        writer.write(view[start : start + PART])
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the empty line; empty when the client has hung up before a request."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Refused(431, f"Headers of more than {HEADER_LIMIT} bytes") from None
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""


def _parsed(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith("HTTP/"):
        raise Refused(400, "Not an HTTP request")
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused(505, "Only HTTP/1.1 and HTTP/1.0 are spoken")
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    request = Request(method, target.partition("?")[0], version)
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Refused(400, "Not an HTTP header")
        name = name.lower()
        before = request.headers.get(name)
        request.headers[name] = f"{before}, {value.strip()}" if before else value.strip()
    return request


def _refusal(refusal: Refused, extra: tuple[tuple[str, str], ...]) -> bytes:
    body = f"{refusal}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), *refusal.headers, *extra]
    return _head_of(refusal.status, headers, len(body), False) + body


def _head_of(status: int, headers: list[tuple[str, str]], length: int, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {length}", f"Connection: {'keep-alive' if keep else 'close'}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def _lingering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes so that the client gets the answer: unread input would turn the close into a reset."""
    if writer.can_write_eof():
        writer.write_eof()
    ends = time.monotonic() + 1.0
    rest = b"?"
    try:
        while rest and time.monotonic() < ends:
            rest = await asyncio.wait_for(reader.read(HEADER_LIMIT), 0.5)
    except (OSError, asyncio.TimeoutError):
        pass
