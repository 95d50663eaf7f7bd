"""WebSockets of Sanic, under its own server and under ASGI."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.http.asgi import exchange
from tests.http.numbers import Numbers
from tests.ports import free_port

pytest.importorskip("sanic")

NAMES = map("sockets{}".format, itertools.count())

Handler = Callable[[Any, Any], Awaitable[None]]


def application(handler: Handler) -> Any:
    """A Sanic application with this handler at /ws/<room>."""
    from sanic import Blueprint, Sanic

    Sanic.test_mode = True  # or it starts only once, since it rewrites its own methods
    app = Sanic(next(NAMES), configure_logging=False)
    blueprint = Blueprint("rooms", url_prefix="/ws")

    async def room(request: Any, websocket: Any, room: str) -> None:
        await handler(request, websocket)

    blueprint.add_websocket_route(room, "/<room:str>")
    app.blueprint(blueprint)
    return app


def talk(handler: Handler, client: Callable[[Any], Awaitable[Any]], numbers: Numbers) -> None:
    """A client of this handler, until the server takes it for gone."""
    from websockets.asyncio.client import connect

    app = application(handler)

    async def main() -> None:
        port = free_port()
        server = await app.create_server(
            host="127.0.0.1", port=port, return_asyncio_server=True, access_log=False
        )
        await server.startup()
        await server.start_serving()
        async with connect(f"ws://127.0.0.1:{port}/ws/1") as connection:
            await client(connection)
        while numbers.total("websocket.connections.active"):
            await asyncio.sleep(0.001)
        await server.close()

    asyncio.run(main())


async def echo(request: Any, websocket: Any) -> None:
    """Sends back what it gets."""
    async for message in websocket:
        await websocket.send(message)


async def waiting(connection: Any) -> None:
    """A client that waits for the end."""
    await connection.wait_closed()


def ended(numbers: Numbers) -> dict[tuple[str, ...], int]:
    """Connections by error, route and code."""
    return {
        tuple(str(value) for _, value in key): int(sum(cells[1:]))
        for key, cells in numbers.series("websocket.connection.duration").items()
    }


def test_a_connection_counts_its_messages_and_its_code(numbers: Numbers) -> None:
    """It is open while it is, and no request in any latency."""

    async def client(connection: Any) -> None:
        for message in ("one", b"two", "three" * 10_000):
            await connection.send(message)
            assert await connection.recv() == message
        assert numbers.total("websocket.connections.active") == 1
        assert numbers.total("http.server.active_requests") == 0
        await connection.close(4001)

    talk(echo, client, numbers)

    messages = {
        dict(key)["direction"]: cells[0]
        for key, cells in numbers.series("websocket.messages").items()
    }
    assert messages == {"received": 3, "sent": 3}
    assert ended(numbers) == {("/ws/<room:str>", "4001"): 1}
    assert numbers.counts() == {}


def test_the_servers_own_code_counts(numbers: Numbers) -> None:
    """Also that which Sanic chooses when a handler simply returns."""

    async def leaves(request: Any, websocket: Any) -> None:
        await websocket.close(4003)

    async def returns(request: Any, websocket: Any) -> None:
        await asyncio.sleep(0)

    talk(leaves, waiting, numbers)
    talk(returns, waiting, numbers)

    assert ended(numbers) == {("/ws/<room:str>", "4003"): 1, ("/ws/<room:str>", "1000"): 1}


def test_an_exception_ends_it_with_its_type(numbers: Numbers) -> None:
    """Sanic logs it and closes as if all were well: the client sees 1000."""

    async def fails(request: Any, websocket: Any) -> None:
        raise ValueError

    talk(fails, waiting, numbers)

    assert ended(numbers) == {("ValueError", "/ws/<room:str>", "1000"): 1}


def test_a_client_that_vanishes_has_no_code(numbers: Numbers) -> None:
    """1006, as the standard has it."""

    async def client(connection: Any) -> None:
        connection.transport.abort()

    talk(echo, client, numbers)

    assert ended(numbers) == {("/ws/<room:str>", "1006"): 1}


def under_asgi(handler: Handler) -> list[Any]:
    """What an ASGI server gets of this handler for a message and a disconnection."""

    async def main() -> list[Any]:
        app = application(handler)
        await app._startup()
        app.asgi, app.state.is_running = True, True
        messages: list[dict[str, Any]] = [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": "a"},
            {"type": "websocket.disconnect", "code": 1001},
        ]
        return await exchange(app, path="/ws/1", kind="websocket", messages=messages)

    return asyncio.run(main())


def test_under_asgi_it_has_its_route(numbers: Numbers) -> None:
    """Measured from outside, accepted behind the blueprint's prefix."""

    async def once(request: Any, websocket: Any) -> None:
        await websocket.send(await websocket.recv())

    sent = under_asgi(once)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    assert numbers.total("websocket.messages") == 2
    assert ended(numbers) == {("/ws/<room:str>", "1006"): 1}
    assert numbers.total("http.server.active_requests") == 0


def test_under_asgi_an_exception_ends_it_with_its_type(numbers: Numbers) -> None:
    """Of which the server hears nothing; one behind the client's end is none of the connection."""

    async def fails(request: Any, websocket: Any) -> None:
        await websocket.recv()
        raise ValueError

    async def fails_behind(request: Any, websocket: Any) -> None:
        await websocket.recv()
        await websocket.recv()
        raise ValueError

    under_asgi(fails)
    under_asgi(fails_behind)

    route = "/ws/<room:str>"
    assert ended(numbers) == {("ValueError", route, "1006"): 1, (route, "1001"): 1}
