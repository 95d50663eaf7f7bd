"""Socket.IO inside an application of another framework, over its router."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from monagent.instrument import hooks
from tests.http_client.numbers import Numbers
from tests.ports import free_port


def test_a_server_attached_to_aiohttp_counts_its_clients(numbers: Numbers) -> None:
    """Polling by hand, since the library's own client is aiohttp's too."""
    hooks.uninstall()
    hooks.modes[0] = lambda library: (
        "on" if library in ("aiohttp", "engineio", "socketio") else "off"
    )
    hooks.install()
    import socketio
    from aiohttp import web

    async def talk() -> None:
        server = socketio.AsyncServer(async_mode="aiohttp")
        server.on("ask", lambda *_: "answer")
        app = web.Application()
        server.attach(app)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            opened = await client.get("/socket.io/?EIO=4&transport=polling")
            session = (
                f"/socket.io/?EIO=4&transport=polling&sid={json.loads(opened.text[1:])['sid']}"
            )
            await client.post(session, content="40")
            await client.get(session)
            await client.post(session, content='42["ask"]')
            assert numbers.total("socketio.connections.active") == 1
            await client.post(session, content="41")
        await runner.cleanup()

    asyncio.run(talk())

    assert numbers.total("socketio.connections.active") == 0
    assert numbers.values("socketio.events", "event", "direction") == {("ask", "received"): 1}
    series = numbers.series("http.server.request.duration")
    assert {labels.get("http.route") for labels, _ in series} == {"/socket.io/"}
    assert sum(sum(cells[1:]) for _, cells in series) == 5


@pytest.mark.parametrize(
    ("mounted", "path", "route"),
    [
        ("/", "socket.io", "/socket.io/"),
        ("/live", "/live/socket.io", "/live/socket.io/"),
        ("/live", None, "/live/"),
    ],
)
def test_a_server_mounted_in_starlette_is_one_route(
    mounted: str, path: str | None, route: str, numbers: Numbers
) -> None:
    """Whether it looks at the path itself, or takes whatever comes to its mount."""
    import socketio
    from starlette.applications import Starlette
    from starlette.routing import Mount

    inner = socketio.ASGIApp(socketio.AsyncServer(async_mode="asgi"), socketio_path=path)
    app = Starlette(routes=[Mount(mounted, app=inner)])

    async def ask() -> int:
        transport: Any = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            where = f"{mounted.rstrip('/')}/socket.io/?EIO=4&transport=polling"
            return (await client.get(where)).status_code

    assert asyncio.run(ask()) == 200
    [(labels, _)] = numbers.series("http.server.request.duration")
    assert labels["http.route"] == route
