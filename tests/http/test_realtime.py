"""Event streams and WebSockets stay out of requests and have numbers of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import WebSocket

from monagent.integrations._asgi import measured
from tests.http.asgi import exchange, run, scope
from tests.http.numbers import Numbers

EVENTS = [
    b": keep-alive\n\n",
    b"data: 1\n\ndata: 2\n\n",
    b"event: tick\r\ndata: 3\r\n\r\nevent: ti",
    b"ck\ndata: 4\n\n",
]
STREAM = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8")],
}


def facts(numbers: Numbers, name: str) -> dict[tuple[str, ...], float]:
    """Values (counts, for histograms) by label values."""
    return {
        tuple(str(value) for _, value in key): sum(cells[1:]) if len(cells) > 1 else cells[0]
        for key, cells in numbers.series(name).items()
    }


def test_an_event_stream_is_no_request(numbers: Numbers) -> None:
    """It is open while it is, and its events are counted by name, however they are cut."""
    during = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(STREAM)
        during.append(numbers.total("sse.connections.active"))
        during.append(numbers.total("http.server.active_requests"))
        for chunk in EVENTS:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    run(measured(app))

    assert during == [1, 0]
    assert numbers.total("sse.connections.active") == 0
    assert facts(numbers, "sse.events.sent") == {
        ("message", "unmatched"): 2,
        ("tick", "unmatched"): 2,
    }
    assert facts(numbers, "sse.connection.duration") == {("unmatched",): 1}
    assert numbers.counts() == {}


def test_what_is_compressed_tells_no_events(numbers: Numbers) -> None:
    """Bytes of brotli or gzip may look like the end of one."""
    headers = [(b"content-type", b"text/event-stream"), (b"content-encoding", b"br")]

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({**STREAM, "headers": headers})
        await send({"type": "http.response.body", "body": b"\x1b\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    run(measured(app))

    assert facts(numbers, "sse.events.sent") == {}
    assert facts(numbers, "sse.connection.duration") == {("unmatched",): 1}


def test_a_stream_whose_client_leaves_says_so(numbers: Numbers) -> None:
    """The usual end of an event stream."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(STREAM)
        while (await receive())["type"] != "http.disconnect":
            pass

    run(measured(app), gone_after=1)

    assert facts(numbers, "sse.connection.duration") == {("client_disconnected", "unmatched"): 1}
    assert numbers.total("sse.connections.active") == 0


def test_fastapi_streams_by_route(numbers: Numbers) -> None:
    """FastAPI's own event streams."""
    pytest.importorskip("fastapi.sse", reason="this FastAPI has none")
    from fastapi import FastAPI
    from fastapi.sse import EventSourceResponse, ServerSentEvent

    app = FastAPI()

    @app.get("/ticks/{n}", response_class=EventSourceResponse)
    async def ticks(n: int) -> Any:
        for number in range(n):
            yield ServerSentEvent(data=number, event="tick")

    run(app, "/ticks/3")

    assert facts(numbers, "sse.events.sent") == {("tick", "/ticks/{n}"): 3}
    assert numbers.counts() == {}


async def talk(_scope: Any, receive: Any, send: Any) -> None:
    """Accepts, answers every message twice, and ends with the connection."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        for _ in range(2):
            await send({"type": "websocket.send", "text": "hi"})


CONNECT = {"type": "websocket.connect"}
TEXT = {"type": "websocket.receive", "text": "a"}


def connect(app: Any, *messages: Any, path: str = "/") -> list[Any]:
    """Runs a WebSocket application with these messages after the handshake."""
    return asyncio.run(exchange(app, path=path, kind="websocket", messages=[CONNECT, *messages]))


def test_a_websocket_counts_messages_each_way_and_its_close(numbers: Numbers) -> None:
    """Active while open; closed by the client's code."""
    connect(measured(talk), TEXT, TEXT, {"type": "websocket.disconnect", "code": 1001})

    assert facts(numbers, "websocket.messages") == {
        ("received", "unmatched"): 2,
        ("sent", "unmatched"): 4,
    }
    assert facts(numbers, "websocket.connection.duration") == {("unmatched", "1001"): 1}
    assert numbers.total("websocket.connections.active") == 0
    assert numbers.total("http.server.active_requests") == 0
    assert numbers.counts() == {}


def test_a_refused_websocket_is_an_answered_request(numbers: Numbers) -> None:
    """403 where the application closes, or the status of its denial response."""

    async def closes(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async def denies(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    connect(measured(closes))
    connect(measured(denies))

    assert numbers.counts() == {"GET unmatched 403": 1, "GET unmatched 401": 1}
    assert facts(numbers, "websocket.connection.duration") == {}


def test_an_exception_in_a_websocket_passes_and_is_told(numbers: Numbers) -> None:
    """After the handshake it is the connection's, before it the request's."""

    async def late(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise ValueError

    async def early(_scope: Any, receive: Any, send: Any) -> None:
        raise KeyError

    with pytest.raises(ValueError):
        connect(measured(late))
    with pytest.raises(KeyError):
        connect(measured(early))

    assert facts(numbers, "websocket.connection.duration") == {
        ("ValueError", "unmatched", "1011"): 1
    }
    assert numbers.counts() == {"GET unmatched 500 KeyError": 1}


@pytest.mark.parametrize("accepted", [False, True])
def test_a_websocket_whose_client_is_not_there_is_no_error_of_the_application(
    accepted: bool, numbers: Numbers
) -> None:
    """uvicorn's `send` raises then, in the handshake and later."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hi"})

    async def send(message: Any) -> None:
        if not accepted or message["type"] == "websocket.send":
            raise ConnectionError

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await measured(app)(scope(kind="websocket"), None, send)  # type: ignore[arg-type]

    asyncio.run(main())

    lost = {("unmatched", "1006"): 1}
    assert facts(numbers, "websocket.connection.duration") == (lost if accepted else {})
    refused = {"GET unmatched 499 client_disconnected": 1}
    assert numbers.counts() == ({} if accepted else refused)
    assert numbers.total("websocket.connections.active") == 0


def test_what_is_sent_after_the_close_is_no_message(numbers: Numbers) -> None:
    """hypercorn drops it without a word."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        await send({"type": "websocket.send", "text": "hi"})

    connect(measured(app))

    assert facts(numbers, "websocket.messages").get(("sent", "unmatched"), 0) == 0
    assert facts(numbers, "websocket.connection.duration") == {("unmatched", "1000"): 1}


def test_fastapi_websockets_by_route(numbers: Numbers) -> None:
    """Behind a prefix, and refused by a dependency."""
    from fastapi import APIRouter, FastAPI

    router = APIRouter(prefix="/ws")

    @router.websocket("/{room}")
    async def room(socket: WebSocket, room: str) -> None:
        await socket.accept(subprotocol="chat")
        await socket.send_text(room)
        await socket.close(4001)

    app = FastAPI()
    app.include_router(router, prefix="/api")
    sent = connect(app, path="/api/ws/1")
    connect(app, path="/none")

    assert sent[0] == {"type": "websocket.accept", "subprotocol": "chat", "headers": []}
    assert facts(numbers, "websocket.connection.duration") == {("/api/ws/{room}", "4001"): 1}
    assert numbers.counts() == {"GET unmatched 403": 1}
