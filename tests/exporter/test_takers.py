"""Clients that take their answer slowly: it arrives whole, and many of them hold little memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from monagent.exporter import http
from monagent.exporter.webconfig import WebConfig

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n%b\r\n"
CLOSE = b"Connection: close\r\n"


@asynccontextmanager
async def serving(body: bytes) -> AsyncIterator[tuple[http.Server, int]]:
    """A server whose kernel buffers are as small as a slow line's, and its port."""

    async def render(_kind: str, _compressed: bool) -> bytes:
        return bytes(bytearray(body))  # Each answer is one of its own, as rendered ones are.

    server = http.Server(render, "/metrics", WebConfig())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        task = asyncio.ensure_future(server.serve(listener))
        try:
            yield server, listener.getsockname()[1]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def client(port: int, more: bytes = b"") -> socket.socket:
    """A client with a small window that has asked and takes nothing yet."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(GET % more)
    sock.setblocking(False)
    return sock


async def taken(sock: socket.socket) -> bytes:
    """What still arrives."""
    loop = asyncio.get_running_loop()
    found = b""
    try:
        while part := await asyncio.wait_for(loop.sock_recv(sock, 65536), 30):
            found += part
    except ConnectionError:
        pass
    finally:
        sock.close()
    return found


@pytest.mark.parametrize("size", [30_000, 60_000, 90_000])
def test_a_client_that_begins_late_gets_the_whole_answer(size: int) -> None:
    """Also one that wants the connection closed, as most simple clients do."""

    async def scenario() -> bytes:
        async with serving(b"x" * size) as (_, port):
            sock = client(port, CLOSE)
            await asyncio.sleep(2.5)  # Longer than the server lingers after its last byte.
            return await taken(sock)

    answer = asyncio.run(scenario())

    assert len(answer.partition(b"\r\n\r\n")[2]) == size


def test_a_client_that_never_takes_its_answer_is_cut_off_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It counts like one that never asks."""
    monkeypatch.setattr(http, "ANSWER_TIME", 0.2)

    async def scenario() -> int:
        shed = asyncio.Event()
        async with serving(b"x" * 1_000_000) as (server, port):
            server.on_shed = shed.set
            sock = client(port)
            await asyncio.wait_for(shed.wait(), 30)
            return len(await taken(sock))

    assert asyncio.run(scenario()) < 1_000_000


def test_answers_that_nobody_takes_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who have been taking for longest go first, and whoever comes then is served."""
    monkeypatch.setattr(http, "HELD", 300_000)
    monkeypatch.setattr(http, "HASTE", 0.0)

    async def scenario() -> tuple[int, int, list[int]]:
        shed = []
        async with serving(b"x" * 100_000) as (server, port):
            server.on_shed = lambda: shed.append(1)
            stuck = []
            for _ in range(10):
                stuck.append(client(port))
                await asyncio.sleep(0.05)
            served = len(await taken(client(port, CLOSE)))
            cut = [len(await taken(sock)) for sock in stuck[:8]]
            for sock in stuck[8:]:
                sock.close()
            return len(shed), served, cut

    shed, served, cut = asyncio.run(scenario())

    assert shed >= 8
    assert served > 100_000
    assert max(cut) < 100_000
