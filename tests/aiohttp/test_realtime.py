"""Event streams and WebSockets, at both ends, stay out of requests and calls."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.aiohttp.site import GET, OLD, serving, until
from tests.http.numbers import Numbers

OPEN = "websocket.connections.active"
MESSAGES = "websocket.messages"
LIFETIME = "websocket.connection.duration"

_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = (GET % (b"%s", _KEY)).replace(b"close", b"Upgrade\r\nUpgrade: websocket")


def facts(numbers: Numbers, name: str, *labels: str) -> dict[tuple[Any, ...], float]:
    """Values (counts, for histograms) by these labels; what is zero is left out."""
    found: dict[tuple[Any, ...], float] = {}
    for key, cells in numbers.series(name).items():
        have = dict(key)
        wanted = tuple(have.get(label) for label in labels)
        value = sum(cells[1:]) if len(cells) > 1 else cells[0]
        found[wanted] = found.get(wanted, 0.0) + value
    return {key: value for key, value in found.items() if value}


def closed(numbers: Numbers) -> dict[tuple[Any, ...], float]:
    """Ended connections by route, code and error."""
    return facts(numbers, LIFETIME, "http.route", "websocket.close.code", "error.type")


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Answers each message; some say what to do."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.data == "fail":
            raise LookupError
        if message.data == "refuse":
            raise web.HTTPForbidden
        if message.data == "close":
            await socket.close(code=4001)
        elif message.type == aiohttp.WSMsgType.TEXT:
            await socket.send_json({"said": message.data})
        else:
            await socket.send_bytes(message.data)
    return socket


def talk(numbers: Numbers, *said: Any, code: int = 1000) -> list[float]:
    """Say these to the echo; what was open meanwhile at each end, and requests in work."""
    during: list[float] = []
    before = sum(closed(numbers).values())

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/echo/{name}", echo)])
        async with serving(app) as site, aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{site.port}/echo/x"
            async with session.ws_connect(url) as socket:
                for message in said:
                    if isinstance(message, bytes):
                        await socket.send_bytes(message)
                    else:
                        await socket.send_str(message)
                    await socket.receive()
                found = facts(numbers, OPEN, "http.route", "server.address")
                during.append(found.get(("/echo/{name}", None), 0.0))
                during.append(found.get((None, "127.0.0.1"), 0.0))
                during.append(numbers.total("http.server.active_requests"))
                during.append(numbers.total("http.client.active_requests"))
                await socket.close(code=code)
            await until(lambda: sum(closed(numbers).values()) == before + 2)

    asyncio.run(work())
    return during


def test_a_websocket_is_no_request_and_no_call(numbers: Numbers) -> None:
    """It is open at both ends, and its messages are counted each way."""
    during = talk(numbers, "one", b"two", "three")

    assert during == [1, 1, 0, 0]
    assert facts(numbers, MESSAGES, "http.route", "server.address", "direction") == {
        ("/echo/{name}", None, "received"): 3,
        ("/echo/{name}", None, "sent"): 3,
        (None, "127.0.0.1", "received"): 3,
        (None, "127.0.0.1", "sent"): 3,
    }
    assert closed(numbers) == {("/echo/{name}", "1000", None): 1, (None, "1000", None): 1}
    assert facts(numbers, OPEN) == {}
    assert numbers.counts() == {}
    assert numbers.counts("http.client.request.duration") == {}


@pytest.mark.skipif(not hasattr(web.WebSocketResponse, "send_frame"), reason="from 3.11 on")
def test_messages_that_are_sent_as_frames_count_alike(numbers: Numbers) -> None:
    """From both ends; the protocol's own frames are no messages."""
    kinds = (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.PING, aiohttp.WSMsgType.TEXT)

    async def reply(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            text = message.data if isinstance(message.data, bytes) else message.data.encode()
            await socket.send_frame(text, opcode=message.type)
        return socket

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/echo/{name}", reply)])
        async with serving(app) as site, aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{site.port}/echo/x") as socket:
                for kind in kinds:
                    await socket.send_frame(b"hello", kind)
                assert [(await socket.receive()).data for _ in range(2)] == [b"hello", "hello"]
            await until(lambda: sum(closed(numbers).values()) == 2)

    asyncio.run(work())

    assert facts(numbers, MESSAGES, "direction") == {("received",): 4, ("sent",): 4}


def test_the_code_is_that_of_whoever_closes(numbers: Numbers) -> None:
    """The client's, then the server's."""
    talk(numbers, code=3003)

    assert closed(numbers) == {("/echo/{name}", "3003", None): 1, (None, "3003", None): 1}

    talk(numbers, "close")

    assert closed(numbers)["/echo/{name}", "4001", None] == 1
    assert closed(numbers)[None, "4001", None] == 1


@pytest.mark.parametrize(
    ("frame", "code"), [(b"\xff\xff\xff\xff", 1002), (b"\x81\xfe\x13\x88" + b"\0" * 5004, 1009)]
)
@pytest.mark.parametrize("answers", [True, False])
def test_a_message_that_its_server_refuses_closes_with_the_servers_code(
    numbers: Numbers, frame: bytes, code: int, answers: bool
) -> None:
    """One that breaks the protocol, one that is too long: as the close frame says."""

    async def strict(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=1000, timeout=0.5)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async def work() -> bytes:
        app = web.Application()
        app.add_routes([web.get("/strict", strict)])
        async with serving(app) as site:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(UPGRADE % b"/strict")
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame)
            closing = await reader.readexactly(4)
            if answers:
                writer.write(b"\x88\x82\0\0\0\0" + closing[2:])
            await until(lambda: bool(closed(numbers)))
            writer.close()
        return closing[2:]

    assert int.from_bytes(asyncio.run(work()), "big") == code
    assert closed(numbers) == {("/strict", str(code), None): 1}


def test_a_handler_that_fails_ends_it_with_its_error(numbers: Numbers) -> None:
    """The client sees no code at all: the server sends no close frame."""
    talk(numbers, "fail")

    assert closed(numbers) == {
        ("/echo/{name}", "1006", "LookupError"): 1,
        (None, "1006", None): 1,
    }
    assert facts(numbers, OPEN) == {}
    assert numbers.counts() == {}


def test_an_answer_into_an_open_websocket_ends_it_as_an_error(numbers: Numbers) -> None:
    """aiohttp sends what was raised as an answer; to the client it is no frame at all."""
    talk(numbers, "refuse")
    talk(numbers, "close")

    route = "/echo/{name}"
    error = "aiohttp.web_exceptions.HTTPForbidden"
    ends = closed(numbers)
    assert {end: count for end, count in ends.items() if end[0]} == {
        (route, "1006", error): 1,
        (route, "4001", None): 1,
    }
    assert facts(numbers, OPEN) == {}
    assert numbers.counts() == {}


def test_a_client_that_vanishes_leaves_no_code(numbers: Numbers) -> None:
    """The connection is lost without a word."""

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/echo/{name}", echo)])
        async with serving(app) as site:
            await site.leave(UPGRADE % b"/echo/x", b"\r\n\r\n")
            await until(lambda: bool(closed(numbers)))

    asyncio.run(work())

    assert closed(numbers) == {("/echo/{name}", "1006", None): 1}
    assert facts(numbers, OPEN) == {}


def test_a_refused_upgrade_is_a_request_and_a_call(numbers: Numbers) -> None:
    """It was answered like any other."""

    async def refuse(request: web.Request) -> web.WebSocketResponse:
        raise web.HTTPForbidden

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/echo/{name}", echo), web.get("/refuse", refuse)])
        async with serving(app) as site, aiohttp.ClientSession() as session:
            assert b" 400 " in await site.get("/echo/x")
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"http://127.0.0.1:{site.port}/refuse")

    asyncio.run(work())

    assert numbers.counts() == {"GET /echo/{name} 400": 1, "GET /refuse 403": 1}
    assert numbers.counts("http.client.request.duration") == {"GET 403 403": 1}
    assert facts(numbers, OPEN) == {}


@pytest.mark.skipif(OLD, reason="its server waits for a minute")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # aiohttp tells of it as well
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_websocket_that_a_client_forgets_is_no_longer_open(numbers: Numbers) -> None:
    """It was never closed, and its server goes away."""

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/echo/{name}", echo)])
        async with serving(app, shutdown_timeout=0.1) as site, aiohttp.ClientSession() as session:
            socket = await session.ws_connect(f"http://127.0.0.1:{site.port}/echo/x")
            await socket.send_str("hello")
            del socket

    asyncio.run(work())
    gc.collect()

    assert facts(numbers, OPEN) == {}


def test_an_event_stream_is_no_request(numbers: Numbers) -> None:
    """From its headers on; its events are counted by name."""
    during: list[float] = []

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        during.append(numbers.total("sse.connections.active"))
        during.append(numbers.total("http.server.active_requests"))
        for part in (b": hi\n\n", b"data: 1\n\nevent: tick\nda", b"ta: 2\n\n"):
            await response.write(part)
        if request.query.get("endless"):
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.001)
        return response

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/events", events)])
        async with serving(app) as site:
            await site.get("/events")
            await site.leave(GET % (b"/events?endless=1", b""), b"still here")
            await until(lambda: facts(numbers, "sse.connections.active") == {})

    asyncio.run(work())

    assert during == [1, 0, 1, 0]
    assert facts(numbers, "sse.events.sent", "http.route", "event") == {
        ("/events", "message"): 2,
        ("/events", "tick"): 2,
    }
    assert facts(numbers, "sse.connection.duration", "error.type") == {
        (None,): 1,
        ("client_disconnected",): 1,
    }
    assert numbers.counts() == {}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.swallows
def test_a_frame_is_sent_whatever_of_ours_fails(
    swallowed: list[tuple[str, BaseException]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the library gives back."""
    from monagent.conventions import realtime
    from monagent.integrations import _aiohttp_socket

    def fail(_: object) -> None:
        raise KeyError("sabotage")

    monkeypatch.setattr(realtime.Connection, "sent", fail)

    class Socket:
        _monagent = realtime.Connection.__new__(realtime.Connection)

        async def send_frame(self, *arguments: object) -> tuple[object, ...]:
            return arguments

    socket = Socket()
    send_frame = _aiohttp_socket.sending_frame(Socket.send_frame)

    assert asyncio.run(send_frame(socket, b"x", aiohttp.WSMsgType.TEXT)) == (
        b"x",
        aiohttp.WSMsgType.TEXT,
    )
    assert [component for component, _ in swallowed] == ["aiohttp"]
