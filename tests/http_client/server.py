"""A server that does to clients whatever servers do: raw sockets, one path per misdeed.

It runs in a thread of its own, so that sync and async clients can be its guests alike; it is a
proxy, too.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

TLS_HANDSHAKE = b"\x16"
BIG = 10_000_000
PACKED = gzip.compress(b"a" * 100_000)


class Request:
    """What a client sent."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body


class Server:
    """`with Server() as server: server.url("/ok")`; `seen` are the paths asked for, in order."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[str] = []
        self.open = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def url(self, path: str) -> str:
        """The absolute URL of a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._listen())
        # Not before the loop runs: it would be watched if the hooks came in between, to the end.
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                request = await _read(reader)
                if request is None:
                    break
                self.seen.append(request.path)
                if request.method == "CONNECT":
                    await hand_on(reader, writer, request.path)
                    break
                name, _, rest = request.path.partition("?")[0][1:].partition("/")
                if await PATHS[name](writer, request, rest):
                    break
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readexactly(1)
    if head == TLS_HANDSHAKE:
        return Request("", "/status/400", {}, b"")
    head += await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


Handler = Callable[[asyncio.StreamWriter, Request, str], Awaitable[Any]]
"""Answers; what it returns says whether the connection is over."""

PATHS: dict[str, Handler] = {}


def path(name: str) -> Callable[[Handler], Handler]:
    """The decorated handler answers to /name and /name/rest."""

    def enter(handler: Handler) -> Handler:
        PATHS[name] = handler
        return handler

    return enter


def head(status: int, *headers: str, length: int | None = 0) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {status} Whatever", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reset(writer: asyncio.StreamWriter) -> None:
    """Have the kernel send a reset instead of an orderly end."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def taken(writer: asyncio.StreamWriter) -> None:
    """Wait until the client has read all that was written: nothing is left in its socket."""
    here, there = (writer.get_extra_info(f"{of}name")[1] for of in ("sock", "peer"))
    for _ in range(2000):
        with open("/proc/net/tcp") as file:  # local and remote address, state, queues
            sockets = [line.split()[1:5] for line in file]
        left = [
            queues.partition(":")[2]
            for local, remote, _, queues in sockets
            if local.endswith(f":{there:04X}") and remote.endswith(f":{here:04X}")
        ]
        if not any(int(size, 16) for size in left):
            return
        await asyncio.sleep(0.005)


async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str) -> None:
    """As a proxy: to any server that is asked for by its address, to none by its name."""
    host, _, port = to.rpartition(":")
    if host == "localhost":
        writer.write(head(403))
        return
    there, here = await asyncio.open_connection(host, int(port))
    writer.write(head(200, length=None))
    await asyncio.gather(copy(reader, here), copy(there, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes here goes there, to its end."""
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()


@path("ok")
async def ok(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(200, length=5) + (b"" if request.method == "HEAD" else b"hello"))


@path("status")
async def status(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    code = int(rest)
    writer.write(head(code, length=None if code in (204, 304) else 0))


@path("limited")
async def limited(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(429, "Retry-After: 2", "X-RateLimit-Remaining: 7"))


@path("left")
async def left(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """/left/5: five calls are left."""
    writer.write(head(200, f"X-RateLimit-Remaining: {rest}"))


@path("redirect")
async def redirect(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """/redirect/3 goes to /redirect/2 and so on to /ok."""
    left = int(rest or 1) - 1
    writer.write(head(302, f"Location: {f'/redirect/{left}' if left else '/ok'}"))


@path("away")
async def away(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """/away/reset goes to /reset."""
    writer.write(head(302, f"Location: /{rest}"))


@path("elsewhere")
async def elsewhere(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """/elsewhere/ok goes to /ok of the same server by its name."""
    port = request.headers["host"].rpartition(":")[2]
    writer.write(head(302, f"Location: http://localhost:{port}/{rest}"))


@path("loop")
async def loop(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(302, "Location: /loop"))


@path("silent")
async def silent(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    await asyncio.sleep(60)


@path("stall")
async def stall(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(200, length=10) + b"hello")
    await asyncio.sleep(60)


@path("reset")
async def reset_early(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    reset(writer)
    return True


@path("broken")
async def broken(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    """A reset in the middle of the body."""
    writer.write(head(200, length=10) + b"hello")
    await writer.drain()
    await taken(writer)  # or the reset overtakes the bytes
    reset(writer)
    return True


@path("short")
async def short(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    """An orderly end in the middle of the body."""
    writer.write(head(200, "Transfer-Encoding: chunked", length=None) + b"5\r\nhello\r\n")
    await writer.drain()
    return True


@path("chunked")
async def chunked(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(200, "Transfer-Encoding: chunked", length=None))
    for part in (b"one", b"three", b"seventeen"):
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


@path("gzip")
async def zipped(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(200, "Content-Encoding: gzip", length=len(PACKED)) + PACKED)


@path("big")
async def big(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    writer.write(head(200, length=BIG))
    for _ in range(BIG // 100_000):
        writer.write(b"x" * 100_000)
        await writer.drain()


@path("upload")
async def upload(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """Answers with the number of bytes it got."""
    text = str(len(request.body)).encode()
    writer.write(head(200, length=len(text)) + text)


@path("close")
async def close(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    writer.write(head(200, "Connection: close", length=5) + b"hello")
    await writer.drain()
    return True


@path("garbage")
async def garbage(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    writer.write(b"NOT HTTP AT ALL\r\n\r\n")
    await writer.drain()
    return True


_flaky: dict[str, int] = {}


@path("flaky")
async def flaky(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """/flaky/<name>: 503 twice, then 200."""
    _flaky[rest] = _flaky.get(rest, 0) + 1
    writer.write(head(200 if _flaky[rest] > 2 else 503))


@path("stumbling")
async def stumbling(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    """/stumbling/<name>: an orderly end without any answer once, then 200."""
    _flaky[rest] = _flaky.get(rest, 0) + 1
    if _flaky[rest] > 1:
        writer.write(head(200, length=5) + b"hello")
    return _flaky[rest] == 1


@path("unbounded")
async def unbounded(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    """A body that ends with the connection."""
    writer.write(head(200, length=None) + b"hello")
    await writer.drain()
    return True


@path("hangup")
async def hangup(writer: asyncio.StreamWriter, request: Request, rest: str) -> bool:
    """An orderly end without any answer."""
    return True


@path("guarded")
async def guarded(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """Asks for a password, any; /guarded/digest for a digest."""
    if "authorization" in request.headers:
        writer.write(head(200, length=5) + b"hello")
    else:
        kind = 'Digest qop="auth", nonce="n",' if rest == "digest" else "Basic"
        writer.write(head(401, f'WWW-Authenticate: {kind} realm="here"'))


@path("refusing")
async def refusing(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """Asks for a digest, and takes none."""
    writer.write(head(401, 'WWW-Authenticate: Digest qop="auth", nonce="n", realm="here"'))


@path("nowhere")
async def nowhere(writer: asyncio.StreamWriter, request: Request, rest: str) -> None:
    """A redirect to what is no URL of HTTP."""
    writer.write(head(302, "Location: mailto:me@example.org"))
