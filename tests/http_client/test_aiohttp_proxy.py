"""aiohttp through a proxy to a server with TLS: the proxy's answer and the server's, one socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp")

from tests.http_client.numbers import ACTIVE, Numbers  # noqa: E402
from tests.http_client.server import Server  # noqa: E402

LIFETIME = "http.client.connection.duration"


def calls(
    numbers: Numbers, url: str, proxy: Server, count: int, **options: Any
) -> list[dict[str, float]]:
    """Makes them one after the other; the open connections within each call, and after the last."""

    async def work() -> list[dict[str, float]]:
        found = []
        connector = aiohttp.TCPConnector(**options)
        async with aiohttp.ClientSession(connector=connector) as session:
            for _ in range(count):
                async with session.get(url, proxy=proxy.url(""), ssl=False) as answer:
                    found.append(numbers.connections())
                    await answer.read()
            found.append(numbers.connections())
        return found

    return asyncio.run(work())


def lifetimes(numbers: Numbers) -> float:
    """Connections that have ended."""
    return sum(sum(cells[1:]) for _, cells in numbers.series(LIFETIME))


def test_a_kept_connection_counts_once(
    numbers: Numbers, server: Server, tls_server: Server
) -> None:
    """Though the proxy was asked by a connection of aiohttp's of its own."""
    open_now = calls(numbers, tls_server.url("/big"), server, 3)

    assert open_now == [{"active": 1.0}, {"active": 1.0}, {"active": 1.0}, {"idle": 1.0}]
    assert numbers.connections() == {}
    assert lifetimes(numbers) == 1
    assert numbers.outcomes() == {("GET", 200, None): 3}


def test_connections_that_are_not_kept_count_once_each(
    numbers: Numbers, server: Server, tls_server: Server
) -> None:
    """None is left over when the calls have ended."""
    open_now = calls(numbers, tls_server.url("/big"), server, 3, force_close=True)

    assert open_now == [{"active": 1.0}, {"active": 1.0}, {"active": 1.0}, {}]
    assert lifetimes(numbers) == 3


def test_a_way_that_the_proxy_refuses_is_no_connection(numbers: Numbers, server: Server) -> None:
    """The call counts as failed by the proxy."""
    with pytest.raises(aiohttp.ClientHttpProxyError):
        calls(numbers, "https://localhost:443/", server, 1)

    assert numbers.outcomes() == {("GET", None, "proxy_error"): 1}
    assert (numbers.connections(), numbers.total(ACTIVE), lifetimes(numbers)) == ({}, 0, 0)
