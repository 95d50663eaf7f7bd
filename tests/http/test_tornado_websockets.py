"""WebSocket handlers of Tornado: open, messages each way, how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.http.numbers import Numbers

pytest.importorskip("tornado")

Talk = Callable[[Any], Awaitable[Any]]


def talk(handler: Any, client: Talk, numbers: Numbers, **headers: str) -> None:
    """A client of this handler, at /room/1, until the server takes it for gone."""
    from tornado.httpclient import HTTPRequest
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import websocket_connect

    async def main() -> None:
        server = HTTPServer(Application([(r"/room/(?P<n>\d+)", handler)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([listening])
        port = listening.getsockname()[1]
        request = HTTPRequest(f"ws://127.0.0.1:{port}/room/1", headers=headers)
        connection = await websocket_connect(request)
        await client(connection)
        while numbers.total("websocket.connections.active"):
            await asyncio.sleep(0.001)
        connection.close()
        server.stop()

    asyncio.run(main())


def echoing(**overrides: Any) -> Any:
    """A handler class that echoes, with some methods in place of its own."""
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):
        def open(self, n: str) -> None:
            pass

        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=isinstance(message, bytes))

    return type("Own", (Echo,), overrides)


def facts(numbers: Numbers, name: str, side: str = "http.route") -> dict[tuple[str, ...], int]:
    """Counts of a metric by its labels' values, of the server's side or the client's."""
    return {
        tuple(str(value) for _, value in key): int(sum(cells[1:]) if len(cells) > 1 else cells[0])
        for key, cells in numbers.series(name).items()
        if side in dict(key)
    }


def test_a_connection_counts_its_messages_and_its_code(numbers: Numbers) -> None:
    """It is open while it is, and no request in any latency."""

    async def client(connection: Any) -> None:
        for message in ("one", b"two"):
            await connection.write_message(message, binary=isinstance(message, bytes))
            assert await connection.read_message() == message
        assert facts(numbers, "websocket.connections.active") == {("/room/{n}",): 1}
        assert numbers.total("websocket.connections.active") == 2  # with the client's own
        assert numbers.total("http.server.active_requests") == 0
        connection.close(4001)

    talk(echoing(), client, numbers)

    assert facts(numbers, "websocket.messages") == {
        ("received", "/room/{n}"): 2,
        ("sent", "/room/{n}"): 2,
    }
    assert facts(numbers, "websocket.connection.duration") == {("/room/{n}", "4001"): 1}
    assert numbers.counts() == {}


def test_a_client_counts_by_the_server_it_calls(numbers: Numbers) -> None:
    """Its messages and the code of the end, as the server's side; the call is none of HTTP's."""

    async def client(connection: Any) -> None:
        await connection.write_message("one")
        assert await connection.read_message() == "one"
        connection.close(4001)

    talk(echoing(), client, numbers)
    ends = facts(numbers, "websocket.connection.duration", "server.address")
    messages = facts(numbers, "websocket.messages", "server.address")

    assert [(key[0], key[-1], count) for key, count in ends.items()] == [("127.0.0.1", "4001", 1)]
    assert {key[0]: count for key, count in messages.items()} == {"received": 1, "sent": 1}
    assert numbers.series("http.client.request.duration") == {}


@pytest.mark.parametrize("method", ["open", "on_message"])
def test_an_exception_ends_it_with_its_type(numbers: Numbers, method: str) -> None:
    """In the callbacks of the handler. Tornado sends no close frame then."""

    def fails(self: Any, *_: Any, **__: Any) -> None:
        raise ValueError

    async def client(connection: Any) -> None:
        if method == "on_message":
            await connection.write_message("a")
        assert await connection.read_message() is None
        assert connection.close_code is None

    talk(echoing(**{method: fails}), client, numbers)

    assert facts(numbers, "websocket.connection.duration") == {
        ("ValueError", "/room/{n}", "1006"): 1
    }


def test_the_servers_own_code_counts(numbers: Numbers) -> None:
    """It says why it goes; the client only echoes."""

    async def client(connection: Any) -> None:
        await connection.write_message("a")
        assert await connection.read_message() is None

    talk(echoing(on_message=lambda self, _: self.close(4003)), client, numbers)

    assert facts(numbers, "websocket.connection.duration") == {("/room/{n}", "4003"): 1}


def test_a_client_that_vanishes_has_no_code(numbers: Numbers) -> None:
    """1006, as the standard has it."""

    async def client(connection: Any) -> None:
        connection.protocol.stream.close()

    talk(echoing(), client, numbers)

    assert facts(numbers, "websocket.connection.duration") == {("/room/{n}", "1006"): 1}


def test_a_refused_handshake_is_a_request(numbers: Numbers) -> None:
    """With the status that says why."""
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application

    ask = (
        "GET /room/1 HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Origin: http://elsewhere.example\r\n\r\n"
    )

    async def main() -> bytes:
        server = HTTPServer(Application([(r"/room/(?P<n>\d+)", echoing())]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([listening])
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(ask.encode())
        answer = await reader.readline()
        writer.close()
        server.stop()
        await server.close_all_connections()
        return answer

    assert asyncio.run(main()).startswith(b"HTTP/1.1 403")
    assert numbers.counts() == {"GET /room/{n} 403": 1}
    assert numbers.series("websocket.connection.duration") == {}
