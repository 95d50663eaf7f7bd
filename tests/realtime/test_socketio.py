"""Socket.IO: clients and events, over both of its transports, under ASGI and WSGI."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.ports import free_port

# The library's own clients leave connections of aiohttp and requests to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

OPEN = "socketio.connections.active"
EVENTS = "socketio.events"
REQUESTS = "http.server.request.duration"


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What is left to the collector goes while the warnings are off."""
    yield
    gc.collect()


def asgi(port: int) -> Any:
    """An asyncio server under uvicorn; the function that ends it."""
    import socketio
    import uvicorn

    server: Any = socketio.AsyncServer(async_mode="asgi")

    @server.event  # type: ignore[untyped-decorator]  # it ships no types
    async def connect(sid: str, environ: Any, auth: Any) -> bool:
        return bool(auth != {"let": "not"})

    @server.event  # type: ignore[untyped-decorator]  # it ships no types
    async def bye(sid: str) -> None:
        await server.disconnect(sid)

    @server.event  # type: ignore[untyped-decorator]  # it ships no types
    async def ask(sid: str, data: Any) -> str:
        await server.emit("told", data)
        return "answer"

    app = socketio.ASGIApp(server)
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()

    def end() -> None:
        running.should_exit = running.force_exit = True
        thread.join(30)

    return end


def wsgi(port: int) -> Any:
    """A server with threads under werkzeug; the function that ends it."""
    import socketio
    from werkzeug.serving import make_server

    server: Any = socketio.Server(async_mode="threading")

    @server.event  # type: ignore[untyped-decorator]  # it ships no types
    def connect(sid: str, environ: Any, auth: Any) -> bool:
        return bool(auth != {"let": "not"})

    @server.event  # type: ignore[untyped-decorator]  # it ships no types
    def bye(sid: str) -> None:
        server.disconnect(sid)

    @server.event  # type: ignore[untyped-decorator]  # it ships no types
    def ask(sid: str, data: Any) -> str:
        server.emit("told", data)
        return "answer"

    running = make_server("127.0.0.1", port, socketio.WSGIApp(server), threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()

    def end() -> None:
        running.shutdown()
        thread.join(30)
        running.server_close()

    return end


@pytest.fixture(params=[asgi, wsgi], ids=["asgi", "wsgi"])
def url(request: pytest.FixtureRequest, numbers: Numbers) -> Iterator[str]:
    """Of a server."""
    port = free_port()
    end = request.param(port)
    yield f"http://127.0.0.1:{port}"
    end()


async def until(true: Any) -> None:
    """Wait until it is, at most half a minute."""
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.01)


def lifetimes(numbers: Numbers, name: str) -> list[float]:
    """Connections that are over, by series: the last thing that is recorded of them."""
    return [sum(cells[1:]) for _, cells in numbers.series(name)]


async def client(url: str, transport: str, **options: Any) -> Any:
    """One that is connected."""
    import socketio

    made = socketio.AsyncClient(reconnection=False)
    for _ in range(600):
        try:
            await made.connect(url, transports=[transport], wait_timeout=30, **options)
            break
        except socketio.exceptions.ConnectionError:  # It does not listen yet.
            await asyncio.sleep(0.05)
    return made


async def leave(client: Any) -> None:
    """Be sent away; a client that polls would wait half a minute for its own farewell."""
    await client.emit("bye")
    await until(lambda: not client.connected)
    await client.eio.disconnect(abort=True)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_clients_and_events_count_once_whatever_carries_them(
    transport: str, url: str, numbers: Numbers
) -> None:
    """Two clients; each question of one is told to both."""

    async def talk() -> list[Any]:
        first, second = await client(url, transport), await client(url, transport)
        await until(lambda: numbers.total(OPEN) == 2)
        opened = numbers.total(OPEN)
        answers = [await first.call("ask", {"n": n}) for n in range(3)]
        await first.emit("made up 1", {})
        await first.emit("made up 2", {})
        wanted = {("ask", "received"): 3, ("told", "sent"): 6, ("_OTHER", "received"): 2}
        await until(lambda: numbers.values(EVENTS, "event", "direction") == wanted)
        counted = numbers.values(EVENTS, "event", "direction") == wanted
        await leave(first)
        await leave(second)
        await until(lambda: lifetimes(numbers, "socketio.connection.duration") == [2])
        return [opened, answers, counted]

    assert asyncio.run(talk()) == [2, ["answer"] * 3, True]
    assert numbers.total(OPEN) == 0
    [(labels, cells)] = numbers.series("socketio.connection.duration")
    assert (labels, sum(cells[1:])) == ({"socketio.namespace": "/"}, 2)


def test_a_client_that_is_refused_was_never_connected(url: str, numbers: Numbers) -> None:
    """The program's `connect` says no."""
    import socketio

    async def once() -> str:
        made = socketio.AsyncClient(reconnection=False)
        for _ in range(600):
            try:
                await made.connect(url, transports=["websocket"], auth={"let": "not"})
            except socketio.exceptions.ConnectionError as error:
                if "rejected" in str(error) or "namespace" in str(error):
                    return "refused"
                await asyncio.sleep(0.05)
        return "let in"

    assert asyncio.run(once()) == "refused"
    assert numbers.total(OPEN) == 0


def test_polling_requests_are_one_route(url: str, numbers: Numbers) -> None:
    """Whatever session ids they carry."""

    async def poll() -> None:
        made = await client(url, "polling")
        await made.call("ask", {})
        await leave(made)

    asyncio.run(poll())

    assert {labels["http.route"] for labels, cells in numbers.series(REQUESTS)} == {"/socket.io/"}


def test_a_websocket_is_no_request_under_it(url: str, numbers: Numbers) -> None:
    """It is one connection, with its messages each way."""

    async def talk() -> None:
        made = await client(url, "websocket")
        await made.call("ask", {})
        await until(lambda: numbers.total("websocket.connections.active") == 1)
        assert numbers.total("websocket.connections.active") == 1
        await made.disconnect()
        await until(lambda: lifetimes(numbers, "websocket.connection.duration") == [1])

    asyncio.run(talk())

    assert numbers.total("websocket.connections.active") == 0
    assert numbers.total("http.server.active_requests") == 0
    assert lifetimes(numbers, "websocket.connection.duration") == [1]
    assert [labels["http.route"] for labels, _ in numbers.series("websocket.messages")] == [
        "/socket.io/"
    ] * 2
    messages = numbers.values("websocket.messages", "direction")
    assert messages["received",] >= 2
    assert messages["sent",] >= 3
    statuses = [labels["http.response.status_code"] for labels, _ in numbers.series(REQUESTS)]
    assert 101 not in statuses
    assert len(statuses) == 0
