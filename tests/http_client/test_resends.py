"""Requests that a client sends within a call, and those that it does not send."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.http_client.server import Server

RESENDS = "http.client.request.resends"


def by_requests(url: str) -> int:
    """The status of an answer to one who can tell a password by digest."""
    import requests

    return requests.get(url, auth=requests.auth.HTTPDigestAuth("me", "secret")).status_code


def by_httpx(url: str) -> int:
    """The same of httpx."""
    import httpx

    return httpx.get(url, auth=httpx.DigestAuth("me", "secret")).status_code


def by_aiohttp(url: str) -> int:
    """The same of aiohttp."""
    import aiohttp

    if not hasattr(aiohttp, "DigestAuthMiddleware"):
        pytest.skip("since 3.12")

    async def call() -> int:
        digest = aiohttp.DigestAuthMiddleware("me", "secret")
        async with aiohttp.ClientSession(middlewares=(digest,)) as session:
            async with session.get(url) as answer:
                return answer.status

    return asyncio.run(call())


@pytest.mark.parametrize("client", [by_requests, by_httpx, by_aiohttp])
def test_a_digest_that_is_asked_for_is_part_of_the_call(
    numbers: Numbers, server: Server, client: Callable[[str], int]
) -> None:
    """The client sends the same request once more, with the digest."""
    assert client(server.url("/guarded/digest")) == 200
    assert client(server.url("/ok")) == 200

    assert numbers.outcomes() == {("GET", 200, None): 2}
    assert numbers.values(RESENDS, "reason") == {("auth",): 1.0}


@pytest.mark.parametrize("client", [by_requests, by_httpx, by_aiohttp])
def test_a_digest_that_is_refused_is_sent_once(
    numbers: Numbers, server: Server, client: Callable[[str], int]
) -> None:
    """The second 401 is the answer."""
    assert client(server.url("/refusing")) == 401

    assert server.seen[-2:] == ["/refusing"] * 2
    assert numbers.values(RESENDS, "reason") == {("auth",): 1.0}


def test_a_redirect_that_leads_nowhere_is_an_answer_of_aiohttp(
    numbers: Numbers, server: Server
) -> None:
    """308 without Location ends each part of an upload that may be resumed; after other redirects,
    too. One that leads to what is no URL of HTTP ends the call."""
    import aiohttp

    async def work() -> None:
        async with aiohttp.ClientSession() as session:
            for path in ("/status/308", "/away/status/308"):
                async with session.put(server.url(path), data=b"part") as answer:
                    assert answer.status == 308
            if tells:
                with pytest.raises(aiohttp.NonHttpUrlRedirectClientError):
                    await session.get(server.url("/nowhere"))

    tells = hasattr(aiohttp, "NonHttpUrlRedirectClientError")  # since 3.10
    asyncio.run(work())

    outcomes = numbers.outcomes()
    assert outcomes.pop(("PUT", 308, None)) == 2
    assert sum(outcomes.values()) == int(tells)
    assert numbers.values(RESENDS, "reason") == {("redirect",): 1.0}


class Again(urllib.request.BaseHandler):
    """An application's handler, which sends a request twice more, unless it is taken before."""

    handler_order = 400

    def __init__(self) -> None:
        self.left = 2

    def http_error_503(self, request: Any, answer: Any, *_: Any) -> Any:
        """The same request, as handlers of passwords have it."""
        answer.close()
        self.left -= 1
        return self.parent.open(request) if self.left >= 0 else None

    http_error_429 = http_error_503


class Turning(urllib.request.BaseHandler):
    """Starts over before anything is sent, as a proxy of another scheme makes it."""

    handler_order = 100

    def http_open(self, request: Any) -> Any:
        """Once."""
        turned, request.turned = hasattr(request, "turned"), True
        return None if turned else self.parent.open(request, timeout=request.timeout)


def test_a_request_that_a_handler_of_urllib_sends_again_says_why(
    numbers: Numbers, server: Server
) -> None:
    """By the answer before; what asks to slow down is counted then."""
    url = server.url(f"/flaky/{uuid.uuid4()}")
    with urllib.request.build_opener(Again, Turning).open(url) as answer:
        assert answer.status == 200
    assert numbers.values(RESENDS, "reason") == {("status",): 2.0}
    assert numbers.total("http.client.throttled") == 0

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Again).open(server.url("/limited"))
    caught.value.close()

    assert numbers.values(RESENDS, "reason") == {("status",): 4.0}
    assert numbers.total("http.client.throttled") == 3
    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", 429, "429"): 1}
