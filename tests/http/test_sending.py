"""What an application gets as `send`, and the coroutine that this gives, pass for the server's."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from monagent.integrations._asgi import measured
from monagent.integrations._asgi_request import gone, tells_who_left
from tests.http.asgi import scope
from tests.http.numbers import Numbers
from tests.parts import needed

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"ok"}
SERVED = {"GET unmatched 200": 1}
LEFT = {"GET unmatched 200 client_disconnected": 1}
CANCELLED = {"GET unmatched 200 asyncio.exceptions.CancelledError": 1}

Manner = Callable[[Any], Awaitable[Any]]


@pytest.fixture(autouse=True)
def nobody_tells_who_left() -> Iterator[None]:
    """As uvicorn does, once another test has imported it."""
    kept = gone[:]
    gone.clear()
    yield
    gone[:] = kept


class Server:
    """Takes what is sent, some of it later, or fails."""

    def __init__(self, wait: bool = False, error: BaseException | None = None) -> None:
        self.wait = wait
        self.error = error
        self.got: list[str] = []

    async def send(self, message: Any) -> str:
        """As a server's."""
        if message is END:
            if self.wait:
                await anyio.sleep(0.01)
            if self.error is not None:
                raise self.error
        self.got.append(message["type"])
        return "sent"


async def receive() -> Any:
    """Nothing comes."""
    raise AssertionError


def both(server: Callable[[], Server], manner: Manner, backend: str = "asyncio") -> list[Any]:
    """What the application and the server got, without and with us: it must be the same."""
    found = []
    for wrap in (lambda app: app, measured):
        facts: list[Any] = []
        given = server()

        async def app(_scope: Any, receive: Any, send: Any, facts: list[Any] = facts) -> None:
            await send(START)
            try:
                facts.append(await manner(send))
            except BaseException as error:
                facts.append(repr(error))
                raise

        served = wrap(app)

        async def serve(app: Any = served, given: Server = given) -> None:
            await app(scope(), receive, given.send)

        try:
            anyio.run(serve, backend=backend)
        except BaseException as error:
            facts.append(repr(error))
        found.append(facts + given.got)
    assert found[0] == found[1]
    return found[1]


async def at_once(send: Any) -> Any:
    return await send(END)


async def as_a_task(send: Any) -> Any:
    return await asyncio.create_task(send(END))


async def gathered(send: Any) -> Any:
    return await asyncio.gather(send(END), asyncio.sleep(0))


async def in_a_group(send: Any) -> Any:
    async with anyio.create_task_group() as group:
        group.start_soon(send, END)


async def in_time(send: Any) -> Any:
    with anyio.fail_after(5):
        return await send(END)


async def by_hand(send: Any) -> Any:
    """Driven as an event loop drives it."""
    steps = []
    coroutine = send(END)
    try:
        while True:
            steps.append(coroutine.send(None) is None)
    except StopIteration as end:
        return [*steps, end.value]


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("manner", [at_once, as_a_task, gathered, in_a_group, in_time])
def test_it_is_awaited_in_all_manners(manner: Manner, wait: bool, numbers: Numbers) -> None:
    """Directly, as a task, in a group of anyio's, with a limit of time."""
    got = both(lambda: Server(wait), manner)

    assert got[-2:] == ["http.response.start", "http.response.body"]
    assert numbers.counts() == SERVED


@pytest.mark.parametrize("manner", [at_once, in_a_group, in_time])
def test_it_is_awaited_under_trio(manner: Manner, numbers: Numbers) -> None:
    """Which asks a coroutine for its frame."""
    assert "http.response.body" in both(lambda: Server(wait=True), manner, "trio")
    assert numbers.counts() == SERVED


def test_it_is_driven_by_hand(numbers: Numbers) -> None:
    """Its end carries what the server's returns."""
    assert both(Server, by_hand)[0] == ["sent"]
    assert numbers.counts() == SERVED


class Awaited:
    """An awaitable that is no coroutine."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def __await__(self) -> Any:
        return self.of.__await__()


class Plain(Server):
    """Its `send` is no coroutine function."""

    def send(self, message: Any) -> Any:
        """As a server's."""
        return Awaited(super().send(message))


class Early(Server):
    """It fails where it is called, not where that is awaited."""

    def send(self, message: Any) -> Any:
        """As a server's."""
        if message is END:
            assert self.error is not None
            raise self.error
        return super().send(message)


def test_a_server_may_give_another_awaitable(numbers: Numbers) -> None:
    """What it returns and raises arrives, and the request counts once."""
    assert both(Plain, at_once) == ["sent", "http.response.start", "http.response.body"]
    both(lambda: Plain(error=BrokenPipeError()), at_once)
    assert numbers.counts() == SERVED | LEFT


def test_a_server_may_fail_where_it_is_called(numbers: Numbers) -> None:
    """A client that has left by then has left."""
    both(lambda: Early(error=BrokenPipeError()), at_once)
    assert numbers.counts() == LEFT


async def looked_at(send: Any) -> Any:
    """All that is known of it, but where it lies."""
    coroutine = send(END)
    facts = [
        isinstance(coroutine, Awaitable),
        inspect.iscoroutine(coroutine),
        inspect.isawaitable(coroutine),
        asyncio.iscoroutine(coroutine),
        inspect.getcoroutinestate(coroutine),
        coroutine.__qualname__,
        coroutine.cr_code.co_name,
        repr(coroutine).partition(" at ")[0],
        hasattr(coroutine, "nothing"),
    ]
    facts.append(await coroutine)
    facts.append(inspect.getcoroutinestate(coroutine))
    try:
        await coroutine
    except RuntimeError as error:
        facts.append(str(error))
    return facts


@needed
def test_it_looks_like_the_servers(numbers: Numbers) -> None:
    """Who looks at it learns what is to be learned of the server's."""
    facts = both(Server, looked_at)[0]

    assert facts[:4] == [True, True, True, True]
    assert "already" in facts[-1]
    assert numbers.counts() == SERVED


def test_those_who_ask_hear_that_send_gives_coroutines() -> None:
    """As asgiref does."""
    asked = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        asked.append((callable(send), asyncio.iscoroutinefunction(send)))
        await send(START)
        await send(END)

    anyio.run(measured(app), scope(), receive, Server().send)

    assert asked == [(True, True)]


async def closed(send: Any) -> Any:
    """Unbegun, then begun."""
    send(END).close()
    begun = send(END)
    begun.send(None)
    begun.close()
    return await send(END)


def test_it_is_closed() -> None:
    """What comes then is the server's affair."""
    assert both(lambda: Server(wait=True), closed)[0] == "sent"


async def thrown_into(send: Any) -> Any:
    begun = send(END)
    begun.send(None)
    begun.throw(LookupError("thrown"))


async def cancelled(send: Any) -> Any:
    task = asyncio.create_task(send(END))
    await asyncio.sleep(0)
    task.cancel()
    await task


@pytest.mark.parametrize("manner", [thrown_into, cancelled])
def test_exceptions_reach_it(manner: Manner, numbers: Numbers) -> None:
    """They come out of it as out of the server's."""
    assert both(lambda: Server(wait=True), manner)[-1] == "http.response.start"
    assert sum(numbers.counts().values()) == 1
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (OSError("gone"), LEFT),
        (ConnectionResetError("gone"), LEFT),
        (LookupError("server"), {"GET unmatched 200 LookupError": 1}),
        (asyncio.CancelledError(), CANCELLED),
    ],
)
def test_exceptions_of_the_server(
    error: BaseException, counts: dict[str, int], wait: bool, numbers: Numbers
) -> None:
    """They reach the application, and those of the connection tell that the client has left."""
    both(lambda: Server(wait, error), at_once)

    assert numbers.counts() == counts


@needed
def test_one_that_is_never_awaited_warns_as_the_servers() -> None:
    """And warns once."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        send(END)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        anyio.run(measured(app), scope(), receive, Server().send)

    assert [str(one.message).partition(" was ")[2] for one in caught] == ["never awaited"]


def test_what_gives_no_coroutines_is_awaited_too(numbers: Numbers) -> None:
    """granian's `send` is a builtin that gives objects of its own."""

    class Sent:
        def __await__(self) -> Any:
            return (yield from asyncio.sleep(0).__await__())

    got: list[Any] = []

    def send(message: Any) -> Any:
        got.append(message)
        return Sent()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(END)

    anyio.run(measured(app), scope(), receive, send)

    assert got == [START, END]
    assert numbers.counts() == SERVED


@pytest.mark.parametrize(("method", "attribute"), [("send", "left"), ("receive", "box.left")])
def test_a_server_tells_by_an_attribute_who_has_left(
    method: str, attribute: str, numbers: Numbers
) -> None:
    """Of the object whose method it gives; what has no such object tells nothing."""

    class Told(Server):
        left = False

        async def receive(self) -> Any:
            """Nothing comes."""
            return {"type": "http.disconnect"}

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(END)

    tells_who_left(method, attribute)
    for left in (False, True, None):
        server: Any = Told()
        server.left, server.box = left, Told()
        server.box.left = left
        anyio.run(measured(app), scope(), server.receive, server.send)
    anyio.run(measured(app), scope(), receive, Server().send)

    assert numbers.counts() == {"GET unmatched 200": 3, "GET unmatched 499 client_disconnected": 1}
