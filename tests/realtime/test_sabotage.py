"""Whatever of ours fails, clients of Socket.IO see no difference."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from monagent.conventions import http, realtime, socketio
from monagent.integrations import engineio
from tests.http_client.numbers import Numbers
from tests.ports import free_port
from tests.realtime import test_socketio


@pytest.fixture(autouse=True)
def working() -> Iterator[None]:
    """Measuring requests is switched on again."""
    yield
    http.broken = False


@pytest.mark.swallows
@pytest.mark.parametrize("serve", [test_socketio.asgi, test_socketio.wsgi])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (socketio, "connected"),
        (socketio, "disconnected"),
        (socketio, "event"),
        (engineio, "taken"),
        (realtime.Connection, "received"),
        (realtime.Connection, "sent"),
        (realtime.Connection, "ended"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_sabotaged_agent_changes_no_conversation(
    owner: Any,
    name: str,
    serve: Any,
    numbers: Numbers,
    monkeypatch: pytest.MonkeyPatch,
    swallowed: list[Any],
) -> None:
    """Connect, ask, be told, be sent away."""

    def broken(*_: Any, **__: Any) -> Any:
        raise MemoryError("sabotage")

    monkeypatch.setattr(owner, name, broken)
    port = free_port()
    end = serve(port)

    async def talk() -> list[Any]:
        client = await test_socketio.client(f"http://127.0.0.1:{port}", "websocket")
        told: list[Any] = []
        client.on("told", told.append)
        answers = [await client.call("ask", {"n": n}) for n in range(2)]
        await test_socketio.until(lambda: len(told) == 2)
        await client.emit("bye")
        await asyncio.wait_for(client.wait(), 60)
        return [answers, told]

    try:
        assert asyncio.run(talk()) == [["answer"] * 2, [{"n": 0}, {"n": 1}]]
    finally:
        end()
    assert swallowed
