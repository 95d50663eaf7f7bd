"""Socket.IO: a server that takes clients to any namespace, whose names they choose."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.ports import free_port
from tests.realtime.test_socketio import EVENTS, OPEN, client, collected, lifetimes, until

__all__ = ["collected"]  # a fixture
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

NAMESPACE = "socketio.namespace"


@pytest.fixture
def url(numbers: Numbers) -> Iterator[str]:
    """Of a server that knows "/rooms" and takes the rest; it answers in the same namespace."""
    import socketio
    import uvicorn

    server: Any = socketio.AsyncServer(async_mode="asgi", namespaces="*")
    if not hasattr(server, "namespaces"):
        pytest.skip("this version takes namespaces with handlers only")

    @server.on("ask", namespace="/rooms")  # type: ignore[untyped-decorator]  # it ships no types
    async def ask(sid: str) -> str:
        await server.emit("told", namespace="/rooms")
        return "answer"

    @server.on("ask", namespace="*")  # type: ignore[untyped-decorator]  # it ships no types
    async def ask_anywhere(namespace: str, sid: str) -> str:
        await server.emit("told", namespace=namespace)
        await server.emit("told", namespace=namespace, to=sid, callback=print)
        return "answer"

    port = free_port()
    app = socketio.ASGIApp(server)
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    running.should_exit = running.force_exit = True
    thread.join(30)


def test_namespaces_that_clients_make_up_are_one_value(url: str, numbers: Numbers) -> None:
    """Open or over, and of events each way; those that the program names keep theirs."""

    async def talk(namespace: str) -> tuple[str, dict[tuple[object, ...], float]]:
        made = await client(url, "websocket", namespaces=[namespace])
        answer = await made.call("ask", namespace=namespace)
        await until(lambda: numbers.total(OPEN) == 1)
        opened = numbers.values(OPEN, NAMESPACE)
        await made.disconnect()
        await until(lambda: not numbers.total(OPEN))
        return answer, {key: value for key, value in opened.items() if value}

    async def three() -> list[Any]:
        return [await talk(namespace) for namespace in ("/rooms", "/a", "/" + "b" * 1000)]

    assert asyncio.run(three()) == [
        ("answer", {("/rooms",): 1}),
        ("answer", {("_OTHER",): 1}),
        ("answer", {("_OTHER",): 1}),
    ]
    assert numbers.values(EVENTS, NAMESPACE, "event", "direction") == {
        ("/rooms", "ask", "received"): 1,
        ("/rooms", "told", "sent"): 1,
        ("_OTHER", "_OTHER", "received"): 2,
        ("_OTHER", "told", "sent"): 4,
    }
    assert sorted(lifetimes(numbers, "socketio.connection.duration")) == [1, 2]
