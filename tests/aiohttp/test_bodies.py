"""Sizes are those of the bodies on the wire; a request lasts until its last byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.aiohttp.site import GET, body_of, serving, until, without_date
from tests.http.numbers import Numbers

SENT = "http.server.response.body.size"
RECEIVED = "http.server.request.body.size"
TEXT = b"0123456789" * 10_000


async def written(request: web.Request, *parts: Any, last: bytes = b"", **how: Any) -> Any:
    """A stream of these parts."""
    response = web.StreamResponse()
    if "length" in how:
        response.content_length = how["length"]
    if "chunked" in how:
        response.enable_chunked_encoding()
    if "packed" in how:
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    for part in parts:
        await response.write(part)
    await response.write_eof(last)
    return response


async def parts() -> AsyncIterator[bytes]:
    """An iterable that says nothing of its length."""
    for part in (b"one", b"", b"three", TEXT):
        yield part


def packed(**options: Any) -> web.Response:
    """An answer that aiohttp compresses."""
    response = web.Response(**options)
    response.enable_compression(web.ContentCoding.deflate)
    return response


async def whole(request: web.Request) -> Any:
    return web.Response(body=TEXT)


async def empty(request: web.Request) -> Any:
    return web.Response(status=204)


async def compressed(request: web.Request) -> Any:
    return packed(body=TEXT)


async def iterated(request: web.Request) -> Any:
    return web.Response(body=parts())


async def compressed_parts(request: web.Request) -> Any:
    return packed(body=parts())


async def chunks(request: web.Request) -> Any:
    return await written(request, b"one", memoryview(TEXT), chunked=True)


async def last_chunk(request: web.Request) -> Any:
    return await written(request, b"one", last=b"the last", chunked=True)


async def sized(request: web.Request) -> Any:
    return await written(request, b"12345", b"67890 and more than was said", length=10)


async def sized_last(request: web.Request) -> Any:
    return await written(request, b"12345", last=b"67890", length=10)


async def packed_stream(request: web.Request) -> Any:
    return await written(request, TEXT, b"x", TEXT, packed=True)


async def never_written(request: web.Request) -> Any:
    return await written(request)


HANDLERS = (
    whole, empty, compressed, iterated, compressed_parts, chunks, last_chunk, sized, sized_last,
    packed_stream, never_written,
)  # fmt: skip


@pytest.mark.parametrize("handler", HANDLERS, ids=[handler.__name__ for handler in HANDLERS])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_the_size_is_that_of_the_body_on_the_wire(
    numbers: Numbers, handler: Any, method: bytes
) -> None:
    """Without headers and framing, compressed where it is; and the bytes are as without us."""
    from monagent.instrument import hooks

    async def work() -> bytes:
        app = web.Application()
        app.router.add_route("*", "/", handler)
        async with serving(app) as site:
            headers = b"Accept-Encoding: gzip, deflate\r\n"
            return await site.ask((GET % (b"/", headers)).replace(b"GET", method))

    answer = asyncio.run(work())
    found = numbers.sums(SENT), numbers.counts(SENT), numbers.counts()
    hooks.uninstall()
    bare = asyncio.run(work())

    assert without_date(answer) == without_date(bare)
    size = len(body_of(answer)) if method == b"GET" else 0
    status = 204 if handler is empty else 200
    outcome = {f"{method.decode()} / {status}": 1}
    assert found == ({"/": float(size)}, outcome, outcome)
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize("wanted", [b"", b"Range: bytes=10-19\r\n", b"Range: bytes=-5\r\n"])
def test_a_file_counts_with_the_bytes_that_the_kernel_sends(
    numbers: Numbers, tmp_path: Path, wanted: bytes
) -> None:
    """All of it, and a part."""
    (tmp_path / "file.txt").write_bytes(TEXT)
    sizes = []

    async def work() -> None:
        app = web.Application()
        app.router.add_static("/files/", tmp_path)
        async with serving(app) as site:
            sizes.append(len(body_of(await site.get("/files/file.txt", wanted))))
            await site.get("/files/none.txt")
            await site.get(
                "/files/file.txt", b"If-Modified-Since: Fri, 31 Dec 2060 23:59:59 GMT\r\n"
            )

    asyncio.run(work())

    assert sizes == [{b"": 100_000, b"Range: bytes=10-19\r\n": 10}.get(wanted, 5)]
    status = 206 if wanted else 200
    assert numbers.counts() == {
        f"GET /files {status}": 1,
        "GET /files 404": 1,
        "GET /files 304": 1,
    }
    missing = len(b"404: Not Found")
    assert numbers.sums(SENT)["/files"] in (sizes[0], sizes[0] + missing)


def test_a_file_that_nobody_waits_for_counts_with_what_was_sent(
    numbers: Numbers, tmp_path: Path
) -> None:
    """The client leaves in the middle."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200_000_000)

    async def work() -> None:
        app = web.Application()
        app.router.add_static("/files/", tmp_path)
        async with serving(app) as site:
            await site.leave(GET % (b"/files/large", b""), b"\x00" * 1000)
            await until(lambda: bool(numbers.counts()))

    asyncio.run(work())

    assert numbers.counts() == {"GET /files 200 client_disconnected": 1}
    assert 1000 <= numbers.sums(SENT)["/files"] < 200_000_000
    assert numbers.total("http.server.active_requests") == 0


def test_what_is_received_is_what_the_client_sent(numbers: Numbers) -> None:
    """With a length, in chunks, compressed; read or not."""
    body = gzip.compress(TEXT)
    post = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n%s"
    chunked = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    length = b"Content-Encoding: gzip\r\nContent-Length: %d" % len(body)
    requests = [
        post % (b"/read", b"Content-Length: 70000", TEXT[:70_000]),
        post % (b"/read", b"Transfer-Encoding: chunked", chunked),
        post % (b"/packed", length, body),
        post % (b"/unread", b"Content-Length: 3", b"abc"),
    ]

    async def read(request: web.Request) -> Any:
        return web.Response(text=str(len(await request.read())))

    async def work() -> list[bytes]:
        app = web.Application()
        app.add_routes([web.post("/read", read), web.post("/packed", read)])
        app.add_routes([web.post("/unread", empty)])
        async with serving(app) as site:
            return [body_of(await site.ask(request)) for request in requests]

    assert asyncio.run(work()) == [b"70000", b"11", b"100000", b""]

    assert numbers.sums(RECEIVED) == {"/read": 70_011, "/packed": len(body), "/unread": 3}


def test_a_request_lasts_until_its_last_byte_and_no_longer(numbers: Numbers) -> None:
    """A stream that takes its time, and a handler that works on after its answer."""

    async def slow(request: web.Request) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await asyncio.sleep(0.05)
            await response.write(b"x")
        return response

    took: list[dict[str, float]] = []

    async def onward(request: web.Request) -> Any:
        response = await written(request, b"x")
        await until(lambda: numbers.counts().get("GET /onward 200") == 1)
        took.append(numbers.sums("http.server.request.duration"))
        await asyncio.sleep(0.1)
        return response

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/slow", slow), web.get("/onward", onward)])
        async with serving(app) as site:
            await site.get("/slow")
            await site.get("/onward")

    asyncio.run(work())

    took.append(numbers.sums("http.server.request.duration"))
    first = numbers.sums("http.server.time_to_first_byte")
    assert took[0] == took[1]
    assert took[0]["/slow"] >= 0.15
    assert 0.05 <= first["/slow"] < took[0]["/slow"] - 0.05
