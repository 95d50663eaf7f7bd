"""Request bodies of every kind count with the bytes that were sent of them."""

from __future__ import annotations

import array
import asyncio
import http.client
import io
import mmap
import os
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.http_client.numbers import SENT, Numbers
from tests.http_client.server import Server


def by_http_client(port: int, body: Any) -> bytes:
    """What http.client gets for a body."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", "/upload", body)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def by_urllib(port: int, body: Any) -> bytes:
    """The same of urllib.request."""
    url = f"http://127.0.0.1:{port}/upload"
    request = urllib.request.Request(url, data=body, method="PUT")
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def by_urllib3(port: int, body: Any) -> bytes:
    """The same of urllib3."""
    import urllib3

    with urllib3.PoolManager() as manager:
        return manager.request("PUT", f"http://127.0.0.1:{port}/upload", body=body).data


def by_requests(port: int, body: Any) -> bytes:
    """The same of requests."""
    import requests

    with requests.put(f"http://127.0.0.1:{port}/upload", data=body) as answer:
        return answer.content


def buffers() -> Iterator[Any]:
    """As a reader fills them."""
    yield bytearray(b"ab")
    yield memoryview(b"cde")
    yield b"f"


def texts() -> Iterator[str]:
    """Four bytes of UTF-8."""
    yield "é"
    yield "ab"


CLIENTS = [by_http_client, by_urllib, by_urllib3, by_requests]
# Before urllib3 2 text is refused, and requests sends parts by itself.
OLD = version("urllib3").startswith("1.")
PARTS = CLIENTS[:-1] if OLD else CLIENTS
TEXT = [] if OLD else [by_urllib3, by_requests]


@pytest.mark.parametrize(
    ("client", "body"), [(one, buffers) for one in PARTS] + [(one, texts) for one in TEXT]
)
def test_parts_of_any_kind_count_with_their_bytes(
    numbers: Numbers, server: Server, client: Callable[[int, Any], bytes], body: Callable[[], Any]
) -> None:
    """As the server counts them."""
    got = int(client(server.port, body()))

    assert numbers.sizes(SENT) == {("PUT", 200, None): (1, got)}


def whole(kind: str, path: Path) -> Any:
    """A body of nine bytes, or of what is left of them."""
    path.write_bytes(b"some text")
    if kind == "file":
        return path.open("rb")
    if kind == "half":
        file = path.open("r+b", buffering=0)
        file.seek(4)
        return file
    if kind == "mapped":
        with path.open("rb") as source:
            mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.seek(4)
        return mapped
    if kind == "pipe":
        reader, writer = os.pipe()
        os.write(writer, b"some text")
        os.close(writer)
        return os.fdopen(reader, "rb")
    return {
        "memory": io.BytesIO(b"some text"),
        "text": io.StringIO("some text"),
        "view": memoryview(b"some text"),
        "numbers": array.array("I", [1, 2]),
    }[kind]


UNTOLD = ("mapped", "pipe", "text")
KINDS = ("file", "half", "memory", "view", "numbers", *UNTOLD)
# What requests makes of the others is its own.
WHOLE = [
    (one, kind) for one in CLIENTS for kind in (KINDS if one is not by_requests else KINDS[:1])
]


@pytest.mark.parametrize(("client", "kind"), WHOLE)
def test_files_and_buffers_count_with_what_is_read_of_them(
    numbers: Numbers, server: Server, tmp_path: Path, client: Callable[[int, Any], bytes], kind: str
) -> None:
    """Though nobody says their length beforehand; not at all where they do not tell it."""
    body = whole(kind, tmp_path / "file")
    got = int(client(server.port, body))
    getattr(body, "close", int)()

    assert got == {"half": 5, "mapped": 5, "numbers": 8}.get(kind, 9)
    expected = {} if kind in UNTOLD else {("PUT", 200, None): (1, got)}
    assert numbers.sizes(SENT) == expected


@pytest.mark.parametrize("size", [1, 1_000, 900_000])
@pytest.mark.parametrize("parts", [False, True], ids=["whole", "parts"])
def test_a_body_that_aiohttp_compresses_counts_as_it_is_sent(
    numbers: Numbers, server: Server, size: int, parts: bool
) -> None:
    """As the server counts its bytes, which hardly shrink."""
    aiohttp = pytest.importorskip("aiohttp")
    data = os.urandom(size)

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, size, 300_000):
            yield data[begin : begin + 300_000]

    async def call() -> int:
        async with aiohttp.ClientSession() as session:
            body = pieces() if parts else data
            url = server.url("/upload")
            async with session.put(url, data=body, compress="gzip") as answer:
                return int(await answer.read())

    got = asyncio.run(call())

    assert numbers.sizes(SENT) == {("PUT", 200, None): (1, got)}
