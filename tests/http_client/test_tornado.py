"""Tornado's client: calls that end in ways only it has."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any

import pytest

from monagent.conventions._peers import of_url
from monagent.integrations import _tornado_pool
from tests.http_client.numbers import ACTIVE, SENT, Numbers
from tests.http_client.server import Server
from tests.http_client.test_pools import LIFETIME, MOST, PENDING, TIMEOUTS, WAIT, count

pytest.importorskip("tornado")


def test_the_client_without_a_loop_counts_once(numbers: Numbers, server: Server) -> None:
    """It runs the other one; an error by status is an answer."""
    from tornado.httpclient import HTTPClient, HTTPClientError

    client = HTTPClient()
    client.fetch(server.url("/ok"))
    with pytest.raises(HTTPClientError):
        client.fetch(server.url("/status/404"))
    client.close()

    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", 404, "404"): 1}


def test_a_call_that_nobody_waits_for_any_more_is_cancelled(
    numbers: Numbers, server: Server
) -> None:
    """By a timeout around it, say."""
    from tornado.httpclient import AsyncHTTPClient

    async def main() -> None:
        client: Any = AsyncHTTPClient(force_instance=True)
        call = client.fetch(server.url("/silent"), request_timeout=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, 0.05)
        while client.active:  # Tornado itself goes on with it.
            await asyncio.sleep(0.001)
        client.close()

    asyncio.run(main())

    assert numbers.outcomes() == {("GET", None, "cancelled"): 1}
    assert numbers.total(ACTIVE) == 0


def test_waiting_for_a_place_is_told_from_waiting_for_an_answer(
    numbers: Numbers, server: Server
) -> None:
    """Of more calls than the client makes at once."""
    from tornado.httpclient import AsyncHTTPClient

    async def main() -> list[Any]:
        client = AsyncHTTPClient(force_instance=True, max_clients=1)
        late = client.fetch(server.url("/silent"), request_timeout=1)
        calls = [late, client.fetch(server.url("/ok"), request_timeout=0.1)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        client.close()
        return found

    asyncio.run(main())

    assert numbers.outcomes() == {
        ("GET", None, "read_timeout"): 1,
        ("GET", None, "pool_timeout"): 1,
    }


def test_a_full_client_says_who_waits(numbers: Numbers, server: Server) -> None:
    """Two calls at once, three that wait, one of them in vain; then none is open."""
    from tornado.httpclient import AsyncHTTPClient

    async def main() -> None:
        client: Any = AsyncHTTPClient(force_instance=True, max_clients=2)
        silent = [client.fetch(server.url("/silent"), request_timeout=1) for _ in range(2)]
        patient = [client.fetch(server.url("/redirect/1"), request_timeout=9) for _ in range(2)]
        hasty = client.fetch(server.url("/ok"), request_timeout=0.2)
        while numbers.connections() != {"active": len(client.active)}:
            await asyncio.sleep(0.001)
        assert numbers.total(PENDING) == len(client.queue) == 3
        assert numbers.total(MOST) == 2
        await asyncio.gather(hasty, return_exceptions=True)
        assert numbers.total(PENDING) == len(client.queue) == 2
        await asyncio.gather(*silent, *patient, return_exceptions=True)
        assert numbers.connections() == {}
        client.close()

    asyncio.run(main())
    gc.collect()

    assert numbers.total(MOST) == numbers.total(PENDING) == 0
    assert numbers.total(TIMEOUTS) == 1
    assert count(numbers, WAIT) == 2
    assert count(numbers, LIFETIME) == 2 + 2 * 2


def test_what_waits_in_a_client_that_is_dropped_waits_no_longer(numbers: Numbers) -> None:
    """With its loop, say; a forked child takes nothing off what its parent counts."""
    waits = [_tornado_pool.Wait(of_url("http://a.example")) for _ in range(3)]
    child = os.fork()
    if not child:
        waits.clear()
        os._exit(abs(int(numbers.total(PENDING))))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    waits.pop()
    assert numbers.total(PENDING) == 2
    waits.clear()

    assert numbers.total(PENDING) == 0
    assert count(numbers, WAIT) == 0


def test_a_websocket_is_no_connection_of_a_pool(numbers: Numbers, server: Server) -> None:
    """It has numbers of its own, and no client limits it."""
    from tornado.websocket import websocket_connect

    async def main() -> None:
        with pytest.raises(Exception, match="Non-websocket"):
            await websocket_connect(server.url("/ok").replace("http", "ws"))

    asyncio.run(main())

    assert count(numbers, LIFETIME) == 0


def test_a_redirect_that_is_not_followed_is_an_answer(numbers: Numbers, server: Server) -> None:
    """By the call's own wish, or by the client's defaults."""
    from tornado.httpclient import AsyncHTTPClient

    async def main() -> None:
        client = AsyncHTTPClient(force_instance=True)
        url = server.url("/redirect/1")
        await client.fetch(url, follow_redirects=False, raise_error=False)
        other = AsyncHTTPClient(force_instance=True, defaults={"follow_redirects": False})
        await other.fetch(url, raise_error=False)
        await client.fetch(url)
        client.close()
        other.close()

    asyncio.run(main())

    assert numbers.outcomes() == {("GET", 302, None): 2, ("GET", 200, None): 1}


def test_arguments_that_cannot_be_count_as_failed(numbers: Numbers, server: Server) -> None:
    """The application's error is Tornado's own."""
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest

    async def main() -> None:
        request = HTTPRequest(server.url("/ok"))
        with pytest.raises(ValueError, match="kwargs"):
            AsyncHTTPClient().fetch(request, method="POST")

    asyncio.run(main())

    assert numbers.outcomes() == {("GET", None, "ValueError"): 1}
    assert numbers.sizes(SENT) == {}
    assert numbers.total(ACTIVE) == 0


def test_answers_carry_nothing_of_ours_when_the_application_has_them(
    numbers: Numbers, server: Server
) -> None:
    """Tornado's responses show all of their attributes when they are printed."""
    from tornado.httpclient import AsyncHTTPClient

    async def main() -> list[Any]:
        client = AsyncHTTPClient(force_instance=True)
        paths = ("/ok", "/status/404", "/redirect/1")
        found = [await client.fetch(server.url(path), raise_error=False) for path in paths]
        client.close()
        return found

    for answer in asyncio.run(main()):
        assert "monagent" not in repr(answer)
        assert not [name for name in vars(answer) if "monagent" in name]

    assert sum(numbers.outcomes().values()) == 3
