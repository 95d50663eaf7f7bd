"""Whatever of ours fails, the bytes on the wire and what clients get are the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from monagent import guard
from monagent.conventions import _exchange, _http_pools, http, http_client, realtime
from monagent.instrument import hooks
from monagent.integrations import (
    _aiohttp_answer,
    _aiohttp_body,
    _aiohttp_client,
    _aiohttp_pool,
    _aiohttp_server,
    _aiohttp_socket,
)
from tests.aiohttp.site import GET, Site, serving, without_date
from tests.http.numbers import Numbers

MODULES = (
    _aiohttp_answer, _aiohttp_body, _aiohttp_client, _aiohttp_pool, _aiohttp_server,
    _aiohttp_socket, _exchange, _http_pools, http_client, realtime,
)  # fmt: skip

# Makers run when the library is imported; these stand in for the library's own objects.
STAND_INS = ("Queue",)


def parts() -> Iterator[tuple[Any, str]]:
    """Every function and method of ours that a request or a call may reach."""
    for module in MODULES:
        for name, found in vars(module).items():
            if getattr(found, "__module__", "") != module.__name__:
                continue
            if isinstance(found, FunctionType):
                yield module, name
            elif isinstance(found, type) and name not in STAND_INS:
                for method, function in vars(found).items():
                    # The interpreter calls __del__, and tells of its errors itself.
                    if isinstance(function, FunctionType) and method != "__del__":
                        yield found, method
    # In C where that was built.
    yield from ((_aiohttp_client, name) for name in ("by_url", "ended", "followed"))
    yield from ((_http_pools.Connection, name) for name in ("busy", "idle"))


def application(folder: Path) -> web.Application:
    """Every way to answer."""

    async def plain(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(len(await request.read())))

    async def stream(request: web.Request) -> web.StreamResponse:
        kind = "text/event-stream" if request.query else "text/plain"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await response.write(b"data: 2\n\n")
        return response

    async def fail(request: web.Request) -> web.StreamResponse:
        raise LookupError

    async def late(request: web.Request) -> web.StreamResponse:
        await stream(request)
        raise LookupError

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(str(message.data))
        return socket

    app = web.Application()
    app.add_routes([web.post("/plain", plain), web.get("/stream", stream), web.get("/fail", fail)])
    app.add_routes([web.get("/late", late), web.get("/echo", echo), web.static("/f", folder)])
    return app


async def wire(site: Site) -> list[bytes]:
    """What a raw client sees."""
    paths = ("/stream", "/stream?events", "/fail", "/late", "/f/file.txt", "/none")
    asked = [GET % (path.encode(), b"") for path in paths]
    refused = (GET % (b"/stream", b"")).replace(b"GET", b"PUT")
    seen = [await site.ask(each) for each in (*asked, refused)]
    return [without_date(answer) for answer in seen]


async def calls(site: Site) -> list[Any]:
    """What our client gets."""

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    found: list[Any] = []
    base = f"http://127.0.0.1:{site.port}"
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def get(path: str) -> Any:
            async with session.get(base + path) as answer:
                return answer.status, await answer.read()

        found += await asyncio.gather(get("/stream"), get("/stream"), get("/none"))
        for data in (b"bytes", body()):
            async with session.post(base + "/plain", data=data) as answer:
                found.append((answer.status, await answer.read()))
        for path in ("/late", "http://[broken"):
            try:
                found.append(await get(path))
            except Exception as error:
                found.append(type(error))
        async with session.ws_connect(base + "/echo") as socket:
            await socket.send_str("hello")
            found.append((await socket.receive()).data)
        found.append(socket.close_code)
    return found


@pytest.mark.slow
@pytest.mark.swallows
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_sabotaged_agent_changes_no_answer_and_no_call(
    numbers: Numbers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swallowed: list[Any]
) -> None:
    """Each function in turn raises whenever it is called."""
    (tmp_path / "file.txt").write_text("content")

    async def all_of_it() -> list[Any]:
        async with serving(application(tmp_path)) as site:
            return [*await wire(site), *await calls(site)]

    expected = asyncio.run(all_of_it())
    assert swallowed == []
    reached = []
    for number, (owner, name) in enumerate(parts()):
        failure = (RuntimeError, MemoryError, BaseException)[number % 3]

        def broken(*args: Any, failure: type[BaseException] = failure, **kwargs: Any) -> Any:
            raise failure("sabotage")

        guard.forget()
        http.broken = False
        swallowed.clear()
        hooks.uninstall()
        hooks.install()
        http_client.CALLS.clear()
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, broken)
            assert asyncio.run(all_of_it()) == expected, (owner, name)
        reached += [name] if swallowed else []
    http.broken = False

    assert len(reached) > 30, reached
