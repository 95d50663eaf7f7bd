"""The websockets library: both ends, on asyncio, in threads, and the legacy API."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http.numbers import Numbers

OPEN = "websocket.connections.active"
MESSAGES = "websocket.messages"
LIFETIME = "websocket.connection.duration"

NEW = importlib.util.find_spec("websockets.asyncio") is not None
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the legacy API's


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[Numbers]:
    """What was recorded since the test began, by the hooks of this library alone."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    metrics.use(metrics.Recording(Shard(str(state))))
    hooks.modes.append(lambda library: "on" if library == "websockets" else "off")
    hooks.install()
    yield Numbers(str(state))
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())


def facts(numbers: Numbers, name: str, *labels: str) -> dict[tuple[Any, ...], float]:
    """Values (counts, for histograms) by these labels; what is zero is left out."""
    found: dict[tuple[Any, ...], float] = {}
    for key, cells in numbers.series(name).items():
        have = dict(key)
        wanted = tuple(have.get(label) for label in labels)
        value = sum(cells[1:]) if len(cells) > 1 else cells[0]
        found[wanted] = found.get(wanted, 0.0) + value
    return {key: value for key, value in found.items() if value}


def talk_asyncio(numbers: Numbers, legacy: bool, said: list[Any], code: int) -> list[Any]:
    """Say these to an echo, which greets first; what was open meanwhile."""
    connect: Any
    serve: Any
    if legacy:
        from websockets.legacy.client import connect
        from websockets.legacy.server import serve
    else:
        from websockets.asyncio.client import connect
        from websockets.asyncio.server import serve
    during: list[Any] = []

    async def echo(socket: Any, *path: str) -> None:
        await socket.send("hello")
        async for message in socket:
            if message == "fail":
                raise LookupError
            await socket.send(message)

    async def work() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}/path?x=1") as socket:
                await socket.recv()
                for message in said:
                    await socket.send(message)
                    if message != "fail":
                        await socket.recv()
                during.append(facts(numbers, OPEN, "http.route", "server.address"))
                if "fail" in said:
                    await socket.wait_closed()
                await socket.close(code)

    asyncio.run(work())
    return during


def talk_threads(numbers: Numbers, said: list[Any], code: int) -> list[Any]:
    """The same without an event loop."""
    from websockets.sync.client import connect
    from websockets.sync.server import serve

    during: list[Any] = []
    before = set(threading.enumerate())

    def echo(socket: Any) -> None:
        socket.send("hello")
        for message in socket:
            if message == "fail":
                raise LookupError
            socket.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with connect(f"ws://127.0.0.1:{port}/path") as socket:
            socket.recv()
            for message in said:
                socket.send(message)
                if message != "fail":
                    socket.recv()
            during.append(facts(numbers, OPEN, "http.route", "server.address"))
            if "fail" in said:
                with pytest.raises(Exception, match="1011"):
                    socket.recv()
            socket.close(code)
        server.shutdown()
    # The server's end of the connection is a thread's, which the client does not wait for.
    for one in set(threading.enumerate()) - before:
        one.join(30)
    return during


def talk(api: str, numbers: Numbers, said: list[Any], code: int = 1000) -> list[Any]:
    """By one of the three."""
    if api == "asyncio" and not NEW:
        pytest.skip("this version has no such API")
    if api == "threads":
        return talk_threads(numbers, said, code)
    return talk_asyncio(numbers, api == "legacy", said, code)


APIS = pytest.mark.parametrize("api", ["asyncio", "threads", "legacy"])


@APIS
def test_messages_and_lifetimes_are_counted_at_both_ends(numbers: Numbers, api: str) -> None:
    """A greeting, and three messages there and back, one in parts."""
    during = talk(api, numbers, ["one", b"two", iter(["th", "r", "ee"])])

    assert during == [{("unmatched", None): 1, (None, "127.0.0.1"): 1}]
    assert facts(numbers, MESSAGES, "http.route", "direction") == {
        ("unmatched", "received"): 3,
        ("unmatched", "sent"): 4,
        (None, "received"): 4,
        (None, "sent"): 3,
    }
    assert facts(numbers, LIFETIME, "http.route", "websocket.close.code") == {
        ("unmatched", "1000"): 1,
        (None, "1000"): 1,
    }
    assert facts(numbers, OPEN) == {}
    assert numbers.counts() == {}


@APIS
def test_the_code_is_that_of_the_closing_handshake(numbers: Numbers, api: str) -> None:
    """Of the client's choice, or of a server whose handler has failed."""
    talk(api, numbers, [], code=3003)

    assert facts(numbers, LIFETIME, "websocket.close.code") == {("3003",): 2}

    talk(api, numbers, ["fail"])

    assert facts(numbers, LIFETIME, "websocket.close.code") == {("3003",): 2, ("1011",): 2}
    assert facts(numbers, OPEN) == {}


def test_a_message_at_the_heels_of_the_handshake_makes_no_second_connection(
    numbers: Numbers,
) -> None:
    """A client shakes hands in one thread and has the server's greeting in another."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            talk_threads(numbers, [], 1000)
    finally:
        sys.setswitchinterval(interval)

    assert facts(numbers, LIFETIME, "websocket.close.code") == {("1000",): 400}


@pytest.mark.skipif(not NEW, reason="this version has no such API")
def test_a_connection_that_is_lost_has_no_code_and_a_refused_one_never_was(
    numbers: Numbers,
) -> None:
    """Aborted by the client; answered with HTTP."""
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve
    from websockets.exceptions import InvalidStatus

    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)

    def answer(connection: Any, request: Any) -> Any:
        return connection.respond(404, "no") if request.path == "/no" else None

    async def work() -> None:
        async with serve(echo, "127.0.0.1", 0, process_request=answer) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{port}/no")
            socket = await connect(f"ws://127.0.0.1:{port}/")
            socket.transport.abort()
            await socket.wait_closed()
            deadline = time.monotonic() + 30
            while facts(numbers, OPEN):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.005)

    asyncio.run(work())

    assert facts(numbers, LIFETIME, "websocket.close.code") == {("1006",): 2}


@pytest.mark.skipif(not NEW, reason="this version has no such API")
def test_a_broadcast_is_a_message_to_each(numbers: Numbers) -> None:
    """It goes past the methods of the connections."""
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import broadcast, serve

    async def wait(socket: Any) -> None:
        await socket.wait_closed()

    async def work() -> None:
        async with serve(wait, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            sockets = [await connect(f"ws://127.0.0.1:{port}/") for _ in range(3)]
            broadcast(server.connections, "all")
            for socket in sockets:
                assert await socket.recv() == "all"
                await socket.close()

    asyncio.run(work())
    gc.collect()

    assert facts(numbers, MESSAGES, "http.route", "direction") == {
        ("unmatched", "sent"): 3,
        (None, "received"): 3,
    }
    assert facts(numbers, OPEN) == {}


def test_an_end_of_the_legacy_api_that_is_neither_clients_nor_servers_is_no_clients(
    numbers: Numbers,
) -> None:
    """Of the class that both derive from, which does not say which it is."""
    from websockets.legacy.protocol import WebSocketCommonProtocol

    async def work() -> dict[Any, float]:
        protocol = WebSocketCommonProtocol()
        protocol.connection_open()
        during = facts(numbers, OPEN, "http.route", "server.address")
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return during

    assert asyncio.run(work()) == {("unmatched", None): 1}
