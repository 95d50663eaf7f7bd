"""Answers of AWS that the application reads at its leisure: the call lasts until it has."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import os
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest

from monagent.conventions import cloud
from monagent.integrations import _aws_streams
from tests.http_client.aws import s3_client
from tests.http_client.numbers import Numbers
from tests.http_client.server import Server

GET = "S3/GetObject"
SELECT = "S3/SelectObjectContent"

libraries = pytest.mark.parametrize("library", ["botocore", "aiobotocore"])


async def done(value: Any) -> Any:
    """What a call gives, sync or async."""
    return await value if inspect.isawaitable(value) else value


async def items(stream: Any) -> AsyncIterator[Any]:
    """The items of a stream, sync or async."""
    if hasattr(type(stream), "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


async def got(client: Any, bucket: str, key: str = "k", **given: Any) -> Any:
    """The body of an object."""
    return (await done(client.get_object(Bucket=bucket, Key=key, **given)))["Body"]


async def selected(client: Any, key: str) -> Any:
    """The events of a query."""
    answer = await done(
        client.select_object_content(
            Bucket="events", Key=key, Expression="select", ExpressionType="SQL",
            InputSerialization={"CSV": {}}, OutputSerialization={"CSV": {}},
        )
    )  # fmt: skip
    return answer["Payload"]


def used(
    library: str, server: Server, use: Callable[[Any], Awaitable[Any]], caught: Any = ()
) -> BaseException | None:
    """Has a client of the library used; gives the error that was expected."""

    async def using() -> BaseException | None:
        async with s3_client(library, server.url("")) as client:
            try:
                await use(client)
            except caught as error:
                found: BaseException = error
                return found
        return None

    return asyncio.run(using())


def active(numbers: Numbers) -> float:
    """Calls of operations that are under way."""
    return numbers.total("rpc.client.active_calls")


def calls(numbers: Numbers) -> dict[tuple[str, str | None, str | None], int]:
    """Calls of operations by method, status and error."""
    found = {}
    for attributes, cells in numbers.series("rpc.client.call.duration"):
        labels = ("rpc.method", "rpc.response.status_code", "error.type")
        method, status, error = map(attributes.get, labels)
        if sum(cells[1:]):
            found[str(method), status, error] = int(sum(cells[1:]))
    return found


@libraries
def test_a_stream_of_events_is_a_call_until_its_last_event(
    numbers: Numbers, server: Server, library: str
) -> None:
    """It is under way as long as somebody reads it, and counts when he has."""
    seen = []

    async def use(client: Any) -> None:
        stream = await selected(client, "whole")
        async for found in items(stream):
            seen.append((found["Records"]["Payload"], active(numbers), calls(numbers)))
        seen.append((b"end", active(numbers), calls(numbers)))

    used(library, server, use)

    assert seen[:-1] == [(b"0", 1, {}), (b"1", 1, {}), (b"2", 1, {})]
    assert seen[-1] == (b"end", 0, {(SELECT, "OK", None): 1})
    assert calls(numbers) == {(SELECT, "OK", None): 1}


@libraries
def test_an_error_among_events_is_the_calls_by_its_code(
    numbers: Numbers, server: Server, library: str
) -> None:
    """As one is that comes instead of a stream."""

    async def use(client: Any) -> None:
        with closing(await selected(client, "error")) as stream:
            async for _ in items(stream):
                pass

    error = used(library, server, use, Exception)

    assert type(error).__name__ == "EventStreamError"
    assert calls(numbers) == {(SELECT, "Busy", "Busy"): 1}
    assert active(numbers) == 0


@libraries
def test_events_whose_connection_breaks_are_a_failed_call(
    numbers: Numbers, server: Server, library: str
) -> None:
    """It has no status."""

    async def use(client: Any) -> None:
        with closing(await selected(client, "cut")) as stream:
            async for _ in items(stream):
                pass

    assert used(library, server, use, Exception) is not None
    assert calls(numbers) == {(SELECT, None, "response_ended"): 1}
    assert active(numbers) == 0


@libraries
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # so without us
@pytest.mark.parametrize("close", [True, False], ids=["closed", "dropped"])
def test_events_that_nobody_reads_on_are_over(
    numbers: Numbers, server: Server, library: str, close: bool
) -> None:
    """By choice, so nothing is wrong; the collector must see that one was dropped."""

    async def use(client: Any) -> None:
        stream = await selected(client, "whole")
        async for _ in items(stream):
            break
        assert active(numbers) == 1
        if close:
            stream.close()
            assert active(numbers) == 0

    used(library, server, use)
    gc.collect()

    assert calls(numbers) == {(SELECT, "OK", None): 1}
    assert active(numbers) == 0


async def whole(body: Any) -> bytes:
    return bytes(await done(body.read()))


async def exact(body: Any) -> bytes:
    return bytes(await done(body.read(4)) + await done(body.read(10)))


async def pieces(body: Any) -> bytes:
    parts = []
    while part := await done(body.read(5)):
        parts.append(part)
    return b"".join(parts)


async def chunks(body: Any) -> bytes:
    return b"".join([part async for part in items(body.iter_chunks(6))])


async def iterated(body: Any) -> bytes:
    return b"".join([part async for part in items(body)])


async def by_line(body: Any) -> bytes:
    return b"".join([line async for line in items(body.iter_lines(keepends=True))])


async def all_lines(body: Any) -> bytes:
    found = await done(body.readlines())
    return b"".join(found) if found[0].endswith(b"\n") else b"\n".join(found) + b"\n"


async def filled(body: Any) -> bytes:
    if not hasattr(type(body), "readinto"):
        return await whole(body)
    found, buffer = b"", bytearray(4)
    while count := await done(body.readinto(buffer)):
        found += buffer[:count]
    return found


async def managed(body: Any) -> bytes:
    if hasattr(type(body), "__aenter__"):
        async with body as stream:
            return bytes(await stream.read())
    with body as stream:
        return bytes(stream.read())


WAYS = (whole, exact, pieces, chunks, iterated, by_line, all_lines, filled, managed)


@libraries
@pytest.mark.parametrize("way", WAYS)
def test_a_body_is_over_when_it_is_read_however_it_is(
    numbers: Numbers, server: Server, library: str, way: Callable[[Any], Awaitable[bytes]]
) -> None:
    """Though the application keeps it."""

    async def use(client: Any) -> None:
        body = await got(client, "lines")
        assert (active(numbers), calls(numbers)) == (1, {})
        assert await way(body) == b"one\ntwo\nthree\n"
        assert (active(numbers), calls(numbers)) == (0, {(GET, "OK", None): 1})

    used(library, server, use)

    assert calls(numbers) == {(GET, "OK", None): 1}


@libraries
@pytest.mark.parametrize("way", [whole, pieces, managed])
def test_a_body_that_breaks_is_a_failed_call(
    numbers: Numbers, server: Server, library: str, way: Callable[[Any], Awaitable[bytes]]
) -> None:
    """Half-way, whoever reads it, or with a wrong checksum, which the client compares at last."""

    async def use(client: Any) -> None:
        await way(await got(client, "short"))

    async def use_wrong(client: Any) -> None:
        await (pieces if way is managed else way)(
            await got(client, "lines", "wrong", ChecksumMode="ENABLED")
        )

    assert used(library, server, use, Exception) is not None
    assert calls(numbers) == {(GET, None, "response_ended"): 1}
    error = used(library, server, use_wrong, Exception)
    if not isinstance(error, TypeError):  # an old aiobotocore cannot read a body with a checksum
        wrong = "botocore.exceptions.FlexibleChecksumError"
        assert calls(numbers) == {(GET, None, "response_ended"): 1, (GET, None, wrong): 1}
    assert active(numbers) == 0


@libraries
def test_an_error_of_the_application_is_not_the_calls(
    numbers: Numbers, server: Server, library: str
) -> None:
    """That it leaves a body's context manager with."""

    async def use(client: Any) -> None:
        body = await got(client, "lines")
        if hasattr(type(body), "__aenter__"):
            async with body:
                raise KeyError
        with body:
            raise KeyError

    assert used(library, server, use, KeyError) is not None
    assert calls(numbers) == {(GET, "OK", None): 1}
    assert active(numbers) == 0


@libraries
def test_a_body_that_is_never_read_counts_when_it_goes(
    numbers: Numbers, server: Server, library: str
) -> None:
    """Once; one with nothing in it has no end to wait for."""

    async def use(client: Any) -> None:
        body = await got(client, "lines")
        assert (active(numbers), calls(numbers)) == (1, {})
        del body
        assert (active(numbers), calls(numbers)) == (0, {(GET, "OK", None): 1})
        empty = await got(client, "status", "200")
        assert (active(numbers), calls(numbers)) == (0, {(GET, "OK", None): 2})
        assert empty is not None

    used(library, server, use)


def test_an_answer_that_is_dropped_has_lasted_until_it_was_read(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for as long as it was kept."""
    now = [0.0]
    for module in (cloud, _aws_streams):
        monkeypatch.setattr(module, "perf_counter", lambda: now[0])

    async def use(client: Any) -> None:
        unread, read = await got(client, "lines"), await got(client, "lines")
        now[0] = 2.0
        read.read(4)
        now[0] = 100.0
        del unread, read

    used("botocore", server, use)

    [(_, cells)] = numbers.series("rpc.client.call.duration")
    assert (cells[0], sum(cells[1:])) == (2.0, 2)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Then it is.
def test_a_forked_child_counts_none_of_its_parents_streams(
    numbers: Numbers, server: Server
) -> None:
    """It has a copy of them, which goes."""

    async def use(client: Any) -> None:
        body = await got(client, "lines")
        child = os.fork()
        if not child:
            del body
            os._exit(bool(calls(numbers) or active(numbers)))
        assert os.waitpid(child, 0)[1] == 0
        assert (await whole(body), active(numbers)) == (b"one\ntwo\nthree\n", 0)

    used("botocore", server, use)

    assert calls(numbers) == {(GET, "OK", None): 1}


def test_a_copy_of_an_answer_is_no_call(numbers: Numbers, server: Server) -> None:
    """A stub's body can be copied and pickled; it counts once."""
    import io

    import botocore.session
    from botocore.response import StreamingBody
    from botocore.stub import Stubber

    client = botocore.session.get_session().create_client(
        "s3", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    given = StreamingBody(io.BytesIO(b"hello"), 5)
    with Stubber(client) as stub:
        stub.add_response("get_object", {"Body": given})
        body = client.get_object(Bucket="b", Key="k")["Body"]
    assert body is given
    assert active(numbers) == 1
    copied, pickled = copy.copy(body), pickle.loads(pickle.dumps(body))
    assert pickled.read() == b"hello"
    assert active(numbers) == 1
    assert copied.read() == b"hello"
    del copied, pickled, body, given, stub

    assert calls(numbers) == {(GET, "OK", None): 1}
    assert active(numbers) == 0


@libraries
@pytest.mark.swallows
@pytest.mark.parametrize("broken", ["__init__", "end", "dropped"])
def test_a_stream_reads_the_same_when_counting_it_fails(
    numbers: Numbers,
    server: Server,
    library: str,
    broken: str,
    swallowed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guard keeps what fails from the application."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    owner = cloud.Operation if broken == "dropped" else cloud.Streamed
    monkeypatch.setattr(owner, broken, fail)

    async def use(client: Any) -> None:
        found = [event async for event in items(await selected(client, "whole"))]
        assert len(found) == 3
        for way in WAYS:
            assert await way(await got(client, "lines")) == b"one\ntwo\nthree\n"
        await got(client, "lines")

    used(library, server, use)
    monkeypatch.undo()

    assert swallowed
