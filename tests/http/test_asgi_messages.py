"""Messages of odd but legal types count as others; what a server refuses is the application's."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import time
from collections import ChainMap, UserDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from monagent.conventions._exchange import KEY, Exchange
from monagent.integrations import _by_path
from monagent.integrations._asgi import measured
from monagent.integrations._asgi_request import gone
from tests.http.asgi import run, scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.numbers import Numbers

START: Any = {"type": "http.response.start", "status": 200, "headers": []}
BODY = "http.response.body"
PART: Any = {"type": BODY, "body": b"ab", "more_body": True}
END: Any = {"type": BODY, "body": b""}


class Frozen(collections.abc.Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held

    def __getitem__(self, key: str) -> Any:
        return self.held[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


SCOPE: Any = scope("/")


def sends(*messages: Any) -> Any:
    """An application that sends these."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return measured(app)


@pytest.mark.parametrize("kind", [MappingProxyType, UserDict, ChainMap, Frozen])
def test_messages_may_be_any_mapping(kind: Any, numbers: Numbers) -> None:
    """Read-only ones too."""
    run(sends(kind(START), kind(PART), kind({"type": BODY, "body": memoryview(b"c")})))

    assert numbers.counts() == {"GET unmatched 200": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 3}


def test_headers_that_can_be_read_once_are_left_for_the_server(numbers: Numbers) -> None:
    """hypercorn 0.14 and httpx's transport read them after the first part of the body has come."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    sent = run(sends({**START, "headers": (pair for pair in headers)}, PART, END))

    assert list(sent[0]["headers"]) == headers
    assert numbers.counts() == {"GET unmatched 200": 1}


@pytest.mark.parametrize(
    "messages",
    [
        [None],
        ["text"],
        [{"status": 200}],
        [{"type": "http.response.start"}],
        [{**START, "headers": [("text", 1), None]}, PART],
        [START, {"type": BODY, "body": None}],
        [START, PART, {"type": BODY, "body": 3}],
        [{**START, "headers": [(b"content-type", b"text/event-stream")]}, {**PART, "body": "text"}],
        [START, {"type": "http.response.pathsend", "path": "/is/not/there"}],
        [START, {"type": "http.response.pathsend"}],
        [START, {"type": "http.response.zerocopysend", "file": None}],
    ],
    ids=str,
)
def test_a_message_that_a_server_refuses_is_no_failure_of_ours(
    messages: list[Any], numbers: Numbers
) -> None:
    """Else a program that sends a few of them would lose all its numbers."""

    async def refusing(message: Any) -> None:
        if message is messages[-1]:
            raise ArithmeticError("refused")

    async def main() -> None:
        with pytest.raises(ArithmeticError, match="refused"):
            await sends(*messages)({**SCOPE}, None, refusing)

    asyncio.run(main())

    assert numbers.total("http.server.active_requests") == 0
    assert numbers.total("sse.connections.active") == 0


def test_an_error_page_that_comes_too_late_is_not_what_the_client_got(numbers: Numbers) -> None:
    """A middleware answers an exception in the middle of a stream, and the server refuses."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(PART)
        await send({**START, "status": 500})

    async def main() -> None:
        begun: list[Any] = []

        async def send(message: Any) -> None:
            if message["type"] == START["type"] and begun:
                raise RuntimeError("response has begun")
            begun.append(message)

        with pytest.raises(RuntimeError, match="has begun"):
            await measured(app)({**SCOPE}, None, send)  # type: ignore[arg-type]

    asyncio.run(main())

    assert numbers.counts() == {"GET unmatched 200 RuntimeError": 1}


def test_an_empty_part_is_not_the_first_byte(numbers: Numbers) -> None:
    """Compressors give nothing for a while."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({**PART, "body": b""})
        time.sleep(0.05)
        await send(PART)
        await send(END)

    run(measured(app))

    assert numbers.sums("http.server.time_to_first_byte")["unmatched"] >= 0.05


@pytest.fixture
def present() -> Iterator[None]:
    """A server that tells who left, and whose clients do not."""
    before = gone[:]
    gone[:] = [lambda _request: False]
    yield
    gone[:] = before


@pytest.mark.usefixtures("present")
@pytest.mark.parametrize("parts", [[], [PART]], ids=["whole", "in parts"])
def test_a_last_part_that_the_server_refuses_is_an_error(
    parts: list[Any], numbers: Numbers
) -> None:
    """uvicorn does so when there is more than Content-Length has promised; the client is there."""
    last = {"type": BODY, "body": b"too long"}

    async def send(message: Any) -> None:
        if message is last:
            raise RuntimeError("Response content longer than Content-Length")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="longer"):
            await sends(START, *parts, last)({**SCOPE}, None, send)

    asyncio.run(main())

    assert numbers.counts() == {"GET unmatched 200 RuntimeError": 1}


FILE: Any = {"type": "http.response.pathsend", "path": __file__}
SIZED: Any = {**START, "headers": [(b"content-length", b"4")]}
EVENTS: Any = {**START, "headers": [(b"content-type", b"text/event-stream")]}
EVENT: Any = {"type": BODY, "body": b"data: 1\n\n", "more_body": True}


@contextlib.contextmanager
def leaving(sent: list[Any], after: int) -> Iterator[None]:
    """A server that tells who left, and whose client does after that many messages."""
    before = gone[:]
    gone[:] = [lambda _request: len(sent) >= after]
    yield
    gone[:] = before


@pytest.mark.parametrize(
    ("messages", "after", "size", "recorded"),
    [
        ([START, PART, PART, PART, END], 3, 4, "200 client_disconnected"),
        ([START, PART, PART, PART, END], 5, 6, "200"),
        ([START, PART, FILE], 2, 2, "200 client_disconnected"),
        ([SIZED, PART, PART, END], 3, 4, "200"),
        ([START, {"type": BODY, "body": b"whole"}], 0, 0, "499 client_disconnected"),
        ([START, PART, END], 0, 0, "499 client_disconnected"),
    ],
)
def test_what_comes_after_the_client_has_left_is_not_sent(
    numbers: Numbers, messages: list[Any], after: int, size: int, recorded: str
) -> None:
    """Servers drop it without a word. Who has all that was promised may go."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with leaving(sent, after):
        asyncio.run(sends(*messages)({**SCOPE}, None, send))

    assert sent == messages
    assert numbers.counts() == {f"GET unmatched {recorded}": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": size}


def test_events_that_come_after_the_client_has_left_are_not_handed_to_it(numbers: Numbers) -> None:
    """They count as other bytes do."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with leaving(sent, 3):
        asyncio.run(sends(EVENTS, EVENT, EVENT, EVENT, END)({**SCOPE}, None, send))

    assert numbers.total("sse.events.sent") == 2
    assert numbers.total("sse.connections.active") == 0


def test_no_message_reaches_the_server_where_paths_are_routes_too(numbers: Numbers) -> None:
    """What the application gets to hear is the server's, not ours."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(None)

    async def refusing(message: Any) -> None:
        raise ArithmeticError(f"refused: {message}")

    async def main() -> None:
        request = Exchange()
        with pytest.raises(ArithmeticError, match="refused: None"):
            await _by_path.asgi(app, {**SCOPE, KEY: request}, None, refusing)  # type: ignore[arg-type]
        assert request.route == "/"

    asyncio.run(main())


def test_what_is_handed_on_is_called_as_the_servers_is(numbers: Numbers) -> None:
    """Sentry names spans by it: that of one server, and of another one."""
    seen: list[tuple[str, str]] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        seen.extend((one.__name__, one.__qualname__) for one in (receive, send))
        await send(START)
        await send(END)

    class Cycle:
        """Of a server."""

        async def receive(self) -> Any:
            """Nothing is asked."""

        async def send(self, message: Any) -> None:
            """What a server is given."""

    class Other(Cycle):
        """With names of its own."""

        async def hear(self) -> Any:
            """Nothing is asked."""

        async def say(self, message: Any) -> None:
            """What a server is given."""

    one, other = Cycle(), Other()
    for receive, send in ((one.receive, one.send), (other.hear, other.say)):
        application: Any = measured(app)
        asyncio.run(application({**SCOPE}, receive, send))
        bare: list[tuple[str, str]] = [(one.__name__, one.__qualname__) for one in (receive, send)]
        assert seen == bare
        seen.clear()
    assert numbers.counts() == {"GET unmatched 200": 2}
