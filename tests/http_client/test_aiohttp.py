"""aiohttp's sessions: what only they do, and what the table of misdeeds does not ask."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp")

from tests.http_client.numbers import ACTIVE, RECEIVED, SENT, Numbers  # noqa: E402
from tests.http_client.server import Server  # noqa: E402

PENDING = "http.client.connection.pending_requests"
TIMEOUTS = "http.client.connection.timeouts"
WAIT = "http.client.connection.wait_time"
MOST = "http.client.connection.max"
RESENDS = "http.client.request.resends"

OLD = aiohttp.__version__.startswith("3.8.")


def run(work: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    """Do this with a session."""

    async def whole() -> None:
        async with aiohttp.ClientSession(**options) as session:
            await work(session)

    asyncio.run(whole())


def quiet(numbers: Numbers) -> bool:
    """Nothing is under way, nobody waits, and no connection is open."""
    return (numbers.total(ACTIVE), numbers.total(PENDING), numbers.connections()) == (0, 0, {})


async def fetch(session: Any, url: Any) -> bytes:
    """A body, read whole."""
    async with session.get(url) as answer:
        found: bytes = await answer.read()
    return found


def test_tasks_that_share_a_session_count_every_call(numbers: Numbers, server: Server) -> None:
    """Fifty over a pool of ten, forty of which have to wait; then all connections are idle."""

    async def work(session: Any) -> None:
        tasks = [asyncio.create_task(fetch(session, server.url("/chunked"))) for _ in range(50)]
        while numbers.total(PENDING) != 40:
            await asyncio.sleep(0)
        assert numbers.total(MOST) == 10
        await asyncio.gather(*tasks)
        assert numbers.connections() == {"idle": 10.0}

    async def whole() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=10)) as session:
            await work(session)

    asyncio.run(whole())

    assert numbers.outcomes() == {("GET", 200, None): 50}
    assert sum(sum(cells[1:]) for _, cells in numbers.series(WAIT)) >= 40
    assert quiet(numbers)


def test_a_connector_may_be_asked_without_traces(numbers: Numbers, server: Server) -> None:
    """By who connects past the session; one that is full tells of waiting all the same."""

    connector: Any = aiohttp.TCPConnector

    class Untraced(connector):  # type: ignore[misc]
        async def connect(self, request: Any, traces: Any, timeout: Any) -> Any:
            del traces
            return await super().connect(request, None, timeout)

    async def whole() -> None:
        async with aiohttp.ClientSession(connector=Untraced(limit=1)) as session:
            assert await asyncio.gather(*(fetch(session, server.url("/chunked")) for _ in range(3)))

    asyncio.run(whole())

    assert numbers.outcomes() == {("GET", 200, None): 3}
    assert sum(sum(cells[1:]) for _, cells in numbers.series(WAIT)) >= 2
    assert quiet(numbers)


def test_a_pool_that_stays_full_is_told_from_a_server_that_does_not_answer(
    numbers: Numbers, server: Server
) -> None:
    """The time to connect is over while the only connection is another call's."""

    async def whole() -> None:
        connector = aiohttp.TCPConnector(limit=1)
        short = aiohttp.ClientTimeout(connect=0.05)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(server.url("/stall")):
                assert numbers.connections() == {"active": 1.0}
                with pytest.raises(asyncio.TimeoutError):
                    await session.get(server.url("/ok"), timeout=short)

    asyncio.run(whole())

    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", None, "pool_timeout"): 1}
    assert numbers.total(TIMEOUTS) == 1
    assert quiet(numbers)


@pytest.mark.parametrize("path", ["/silent", "/stall"])
@pytest.mark.parametrize("how", ["cancelled", "timeout"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_given_up_says_why(
    numbers: Numbers, server: Server, path: str, how: str, stream: bool
) -> None:
    """By its task, or by the time that the whole call may take; before and within the body."""

    begun: list[Any] = []

    async def read(session: Any) -> None:
        async with session.get(server.url(path)) as answer:
            begun.append(answer)
            if stream:
                async for _ in answer.content.iter_any():
                    pass
            await answer.read()

    async def work(session: Any) -> None:
        task = asyncio.create_task(read(session))
        if how == "cancelled":
            while path not in server.seen or (path == "/stall" and not begun):
                await asyncio.sleep(0.01)
            assert numbers.total(ACTIVE) == 1
            task.cancel()
        with pytest.raises((asyncio.CancelledError, asyncio.TimeoutError)):
            await task

    server.seen.clear()
    run(work, timeout=aiohttp.ClientTimeout(total=0.5 if how == "timeout" else 20))

    assert numbers.outcomes() == {("GET", 200 if path == "/stall" else None, how): 1}
    assert quiet(numbers)


def test_a_stream_given_up_early_is_no_failure(numbers: Numbers, server: Server) -> None:
    """Nor is an exception that the application raises while it reads."""

    async def work(session: Any) -> None:
        async with session.get(server.url("/big")) as answer:
            await answer.content.readany()
            assert numbers.total(ACTIVE) == 1
        with contextlib.suppress(LookupError):
            async with session.get(server.url("/big")) as answer:
                await answer.content.readany()
                raise LookupError

    run(work)

    assert numbers.outcomes() == {("GET", 200, None): 2}
    assert 0 < numbers.sizes(RECEIVED)["GET", 200, None][1] < 20_000_000
    assert quiet(numbers)


@pytest.mark.skipif(OLD, reason="it does not try again")
def test_a_try_that_the_library_repeats_is_part_of_its_call(
    numbers: Numbers, server: Server
) -> None:
    """A connection lost before an answer, for a method that may be repeated."""

    async def work(session: Any) -> None:
        for method in ("GET", "POST"):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.request(method, server.url("/hangup"))

    server.seen.clear()
    run(work)

    assert server.seen == ["/hangup"] * 3
    assert numbers.outcomes() == {
        ("GET", None, "response_ended"): 1,
        ("POST", None, "response_ended"): 1,
    }
    assert numbers.values(RESENDS, "reason") == {("read",): 1.0}
    assert quiet(numbers)


def test_an_answer_that_is_raised_for_its_status_counts_with_it(
    numbers: Numbers, server: Server
) -> None:
    """By the session, and by the application afterwards."""

    async def work(session: Any) -> None:
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get(server.url("/status/404"), raise_for_status=True)
        async with session.get(server.url("/status/404")) as answer:
            with pytest.raises(aiohttp.ClientResponseError):
                answer.raise_for_status()

    run(work)

    assert numbers.outcomes() == {("GET", 404, "404"): 2}
    assert quiet(numbers)


def test_urls_of_every_kind_count_for_the_same_server(numbers: Numbers, server: Server) -> None:
    """Relative to the session's, as an object, with a query and nothing else."""
    from yarl import URL

    async def work(session: Any) -> None:
        await fetch(session, "/ok")
        await fetch(session, "/ok?a=1" if OLD else "ok?a=1")
        await fetch(session, URL("/ok") if OLD else URL(server.url("/ok")))

    run(work, base_url=server.url("/"))

    peers = numbers.values("http.client.request.duration", "server.address", "server.port")
    assert set(peers) == {("127.0.0.1", server.port)}
    assert numbers.outcomes() == {("GET", 200, None): 3}


def test_what_is_no_url_counts_as_such(numbers: Numbers) -> None:
    """Of any type; the library says what it thinks of it."""

    async def work(session: Any) -> None:
        for target in ("/no/host", "ftp://host.example/", "http://", 5):
            with pytest.raises((aiohttp.ClientError, ValueError, TypeError, AssertionError)):
                await session.get(target)

    run(work)

    assert sum(numbers.outcomes().values()) == 4
    assert all(error for _, _, error in numbers.outcomes())
    assert quiet(numbers)


def test_every_kind_of_body_counts_with_its_length(numbers: Numbers, server: Server) -> None:
    """Text, JSON, a form, a file, parts, and a body made by another call meanwhile."""
    import io

    bodies: list[Any] = []

    async def work(session: Any) -> None:
        async def nested() -> Any:
            yield b"1234"
            async with session.put(server.url("/upload"), data=b"x" * 7) as answer:
                await answer.read()
            yield b"5"

        form = aiohttp.FormData()
        form.add_field("file", b"content", filename="f.txt")
        for options in (
            {"data": "text"}, {"json": {"a": 1}}, {"data": {"k": "v"}}, {"data": form},
            {"data": io.BytesIO(b"y" * 3000)}, {"data": nested()}, {"data": b""}, {},
        ):  # fmt: skip
            async with session.post(server.url("/upload"), **options) as answer:
                bodies.append(int(await answer.read()))

    run(work)

    assert numbers.sizes(SENT) == {
        ("POST", 200, None): (8, sum(bodies)),
        ("PUT", 200, None): (1, 7),
    }
    assert bodies[5] == 5
    assert quiet(numbers)


def test_dropped_sessions_and_answers_are_collected(numbers: Numbers, server: Server) -> None:
    """Nothing of ours holds them."""

    async def work(session: Any) -> list[Any]:
        found = []
        for path in ("/ok", "/chunked", "/big", "/status/404"):
            answer = await session.get(server.url(path))
            found.append(weakref.ref(answer))
            answer.close()
        return [*found, weakref.ref(session), weakref.ref(session.connector)]

    async def whole() -> list[Any]:
        async with aiohttp.ClientSession() as session:
            return await work(session)

    references = [reference for _ in range(3) for reference in asyncio.run(whole())]
    gc.collect()

    assert [reference() for reference in references] == [None] * 18
    assert numbers.total(MOST) == 0
    assert quiet(numbers)


def test_a_body_is_let_go_while_its_connection_is_kept(numbers: Numbers, server: Server) -> None:
    """What the loop keeps for a connection of the pool has a copy of the call's context."""

    class Parts:
        async def __aiter__(self) -> Any:
            yield b"part"

    async def work(session: Any) -> None:
        body = Parts()
        gone = weakref.ref(body)
        async with session.post(server.url("/upload"), data=body) as answer:
            assert await answer.read() == b"4"
        del body
        gc.collect()
        assert gone() is None
        assert numbers.connections() == {"idle": 1.0}

    run(work)
    assert numbers.sizes(SENT) == {("POST", 200, None): (1, 4)}


def test_a_call_that_is_dropped_in_another_context_is_cancelled(
    numbers: Numbers, server: Server
) -> None:
    """As by the garbage collector, when its loop was closed before it had an end."""

    class Stuck(aiohttp.TCPConnector):  # type: ignore[name-defined, misc]  # imported if there
        async def connect(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with aiohttp.ClientSession(connector=Stuck()) as session:
            call = session.post(server.url("/ok"), data=b"body")
            contextvars.copy_context().run(call.send, None)
            assert numbers.total(ACTIVE) == 1
            call.close()

    asyncio.run(work())
    assert numbers.outcomes() == {("POST", None, "cancelled"): 1}
    assert numbers.total(ACTIVE) == 0


def test_raise_for_status_hears_an_answer_that_asks_to_slow_down(
    numbers: Numbers, server: Server
) -> None:
    """The library raises what it would have returned."""

    async def work(session: Any) -> None:
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get(server.url("/limited"))

    run(work, raise_for_status=True)
    assert numbers.outcomes() == {("GET", 429, "429"): 1}
    assert numbers.total("http.client.throttled") == 1


def test_ports_that_begin_alike_are_told_apart(numbers: Numbers) -> None:
    """In URLs that end with them."""

    async def work(session: Any) -> None:
        for port in (11, 12, 1):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"http://127.0.0.1:{port}")

    run(work)
    series = numbers.series("http.client.request.duration")
    assert {one["server.port"] for one, _ in series} == {1, 11, 12}


def test_callbacks_of_the_application_are_not_looked_into(numbers: Numbers, server: Server) -> None:
    """One may use a name that has no value yet."""

    async def work(session: Any) -> None:
        answer = await session.get(server.url("/big"))
        answer.content.on_eof(lambda: later)
        answer.close()
        later: Any = None

    run(work)
    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.total(ACTIVE) == 0


def test_what_interrupts_a_reader_may_have_a_cause_by_name(numbers: Numbers) -> None:
    """Applications may do so to the body that they read."""
    if OLD:
        pytest.skip("aiohttp 3.8 takes no cause")

    async def work() -> Any:
        loop = asyncio.get_running_loop()
        protocol = aiohttp.base_protocol.BaseProtocol(loop)
        reader = aiohttp.StreamReader(protocol, 2**16, loop=loop)
        reader.set_exception(ValueError("broken"), exc_cause=KeyError("why"))
        return reader.exception()

    assert type(asyncio.run(work())) is ValueError
