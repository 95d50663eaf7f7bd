"""What carries the calls of a client, adapters and transports, is part of its calls alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.http_client.numbers import ACTIVE, SENT, Numbers
from tests.http_client.server import Server


def test_an_adapter_that_is_asked_without_a_session_counts(
    numbers: Numbers, server: Server
) -> None:
    """By urllib3, on which it stands; one that is asked by another adapter is its session's."""
    import requests
    from requests.adapters import HTTPAdapter

    class Deeper(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            def ask(left: int) -> requests.Response:
                return ask(left - 1) if left else HTTPAdapter.send(self, request, *args, **kwargs)

            return ask(8)

    with requests.Session() as session:
        request = session.prepare_request(requests.Request("POST", server.url("/upload"), data="x"))
        session.mount("http://", Deeper())
        assert session.send(request).content == b"1"
    assert numbers.outcomes() == {("POST", 200, None): 1}

    adapter = HTTPAdapter()
    plain = request.copy()
    plain.headers = dict(plain.headers)  # type: ignore[assignment]  # it takes any mapping
    for each in (request, plain):
        assert adapter.send(each).content == b"1"
    adapter.close()

    assert numbers.outcomes() == {("POST", 200, None): 3}
    assert numbers.sizes(SENT)["POST", 200, None] == (3, 3)
    assert numbers.total(ACTIVE) == 0


def test_a_transport_of_httpx_that_is_made_of_aiohttp_is_part_of_its_calls(
    numbers: Numbers, server: Server
) -> None:
    """As httpx-aiohttp and litellm make them; what else the two call counts beside it."""
    import httpx

    aiohttp = pytest.importorskip("aiohttp")  # not beside the oldest versions

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async with aiohttp.ClientSession() as session:
                return await self.ask(session, request)

        async def ask(self, session: Any, request: Any) -> httpx.Response:
            url, content = str(request.url), await request.aread()
            async with session.request(request.method, url, data=content) as answer:
                return httpx.Response(answer.status, content=await answer.read())

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async with aiohttp.ClientSession() as session:
            await (await session.put(server.url("/upload"), data=b"x")).read()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    async def work() -> None:
        async with httpx.AsyncClient(transport=Transport()) as client:
            assert (await client.post(server.url("/upload"), content=b"abc")).text == "3"
        inside = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=inside, base_url="http://inside") as client:
            assert (await client.get("/")).text == "hello"
        request = httpx.Request("PATCH", server.url("/upload"), content=b"abc")
        assert (await Transport().handle_async_request(request)).text == "3"

    asyncio.run(work())

    assert numbers.outcomes() == {
        ("POST", 200, None): 1,
        ("PUT", 200, None): 1,
        ("GET", 200, None): 1,
        ("PATCH", 200, None): 1,
    }
    assert numbers.sizes(SENT)["POST", 200, None] == (1, 3)
    assert numbers.total(ACTIVE) == 0
