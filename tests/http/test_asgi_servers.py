"""What ASGI's servers and test clients do to the letter of it, and beyond."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import hypercorn
import pytest
import uvicorn
import websockets
from asgiref.sync import iscoroutinefunction
from hypercorn.asyncio import serve

from monagent import settings
from monagent.conventions._arrivals import arrived
from monagent.integrations._asgi import measured
from monagent.integrations._asgi_request import Request, gone
from monagent.integrations.hypercorn import has_left
from tests.http.asgi import run, scope
from tests.http.numbers import Numbers
from tests.http.test_asgi import END, START, hello
from tests.ports import free_port


def test_who_has_left_is_not_waited_for(numbers: Numbers) -> None:
    """hypercorn tells of its streams whether they are closed, and takes nothing more for one over
    HTTP/2: the application waits in its last `send` for ever."""

    class Stream:
        closed, state = True, SimpleNamespace(name="REQUEST")

        async def send(self, message: Any) -> None:
            if message is END:
                await asyncio.Event().wait()

    async def main() -> None:
        stream: Any = Stream()
        task = asyncio.ensure_future(measured(hello)(scope(), stream.send, stream.send))
        await asyncio.sleep(0)
        seen = numbers.counts(), numbers.total("http.server.active_requests")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ({"GET unmatched 499 client_disconnected": 1}, 0)

    before = list(gone)
    gone[:] = [has_left]
    try:
        asyncio.run(main())
    finally:
        gone[:] = before

    assert numbers.counts() == {"GET unmatched 499 client_disconnected": 1}


@pytest.mark.parametrize("excluded", ["", "never"])
def test_headers_that_can_be_read_once_are_the_applications(
    numbers: Numbers, excluded: str
) -> None:
    """ASGI asks for iterables, and Falcon's test client takes it at its word."""
    settings.use(settings.load({"MONAGENT_EXCLUDED_URLS": excluded}))
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(tuple(pair) for pair in scope["headers"])
        await hello(scope, receive, send)

    async def reading_once(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = iter([iter(pair) for pair in scope["headers"]])
        await measured(app)(scope, receive, send)

    run(reading_once, headers=[(b"x-request-start", b"t=1"), (b"a", b"b")])

    assert seen == [(b"host", b"testserver"), (b"x-request-start", b"t=1"), (b"a", b"b")]
    assert numbers.counts() == {"GET unmatched 200": 1}


def test_receive_and_send_are_coroutine_functions(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asgiref's `async_to_sync`, which synchronous code sends through, warns of any other.

    Also where requests over WSGI were the first of their kind."""
    for mark in ("_is_coroutine", "_is_coroutine_mark"):
        monkeypatch.delattr(Request.sending, mark, raising=False)
    arrived("GET", "http")
    told: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        told.extend(map(iscoroutinefunction, (receive, send)))
        await send(START)
        await send(END)

    run(measured(app))

    assert told == [True, True]


async def opens(scope: Any, receive: Any, send: Any) -> None:
    """An application that leaves its WebSockets open: it returns, or raises."""
    if scope["type"] != "websocket":
        return  # hypercorn's lifespan
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/raises":
        raise ValueError


@contextlib.asynccontextmanager
async def served_by(server: str, port: int) -> AsyncIterator[None]:
    """`opens` behind a real server in this loop."""
    stop: Any
    if server == "uvicorn":
        config = uvicorn.Config(opens, port=port, log_config=None, lifespan="off")
        running: Any = uvicorn.Server(config)
        task = asyncio.ensure_future(running.serve())
        stop = partial(setattr, running, "should_exit", True)
    else:
        end, bound = asyncio.Event(), hypercorn.Config()
        bound.bind, bound.errorlog = [f"127.0.0.1:{port}"], logging.getLogger("unheard")
        trigger: Any = end.wait
        task = asyncio.ensure_future(serve(opens, bound, shutdown_trigger=trigger))
        stop = end.set
    try:
        yield
    finally:
        stop()
        await asyncio.wait_for(task, 60)


@pytest.mark.parametrize("path", ["/returns", "/raises"])
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_a_websocket_that_is_left_open_counts_by_the_code_that_its_client_sees(
    numbers: Numbers, server: str, path: str
) -> None:
    """Servers do not agree: uvicorn closes the connection under it, hypercorn says 1011."""

    async def main() -> int | None:
        port = free_port()
        async with served_by(server, port):
            while True:
                try:
                    client = await websockets.connect(f"ws://127.0.0.1:{port}{path}")
                    break
                except OSError:
                    await asyncio.sleep(0.05)
            await asyncio.wait_for(client.wait_closed(), 60)
            return client.close_code

    code = asyncio.run(asyncio.wait_for(main(), 120))

    assert code == {"uvicorn": 1006, "hypercorn": 1011}[server]
    ended = numbers.series("websocket.connection.duration")
    assert [
        (dict(key)["websocket.close.code"], sum(cells[1:])) for key, cells in ended.items()
    ] == [(str(code), 1)]
