"""Many calls at once, and calls that are given up: nothing is lost, nothing stays under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.http_client.numbers import ACTIVE, RECEIVED, Numbers
from tests.http_client.server import Server


@pytest.mark.parametrize("library", ["requests", "urllib3", "httpx"])
def test_threads_that_share_a_client_count_every_call(
    numbers: Numbers, server: Server, library: str
) -> None:
    """Four threads, a hundred calls each, half of them to something that does not exist."""
    import httpx
    import requests
    import urllib3

    client: dict[str, Any] = {
        "requests": requests.Session,
        "urllib3": urllib3.PoolManager,
        "httpx": httpx.Client,
    }
    shared = client[library]()

    def work() -> None:
        for number in range(100):
            shared.request("GET", server.url("/ok" if number % 2 else "/status/404"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.__exit__(None, None, None)

    assert numbers.outcomes() == {("GET", 200, None): 200, ("GET", 404, "404"): 200}
    assert numbers.total(ACTIVE) == 0
    assert numbers.connections() == {}


def test_tasks_that_share_a_client_count_every_call(numbers: Numbers, server: Server) -> None:
    """Fifty tasks over ten connections."""
    import httpx

    async def work() -> None:
        limits = httpx.Limits(max_connections=10)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
            await asyncio.gather(*(client.get(server.url("/ok")) for _ in range(50)))

    asyncio.run(work())

    assert numbers.outcomes() == {("GET", 200, None): 50}
    assert numbers.total(ACTIVE) == 0
    assert numbers.connections() == {}


@pytest.mark.parametrize("path", ["/silent", "/stall"])
def test_a_cancelled_call_counts_as_cancelled(numbers: Numbers, server: Server, path: str) -> None:
    """Before the headers, and while the body is read."""
    import httpx

    async def work() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            task = asyncio.create_task(client.get(server.url(path)))
            while numbers.total(ACTIVE) != 1 or path not in server.seen:
                await asyncio.sleep(0.01)
            assert numbers.total(ACTIVE) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    server.seen.clear()
    asyncio.run(work())

    (outcome,) = numbers.outcomes()
    assert outcome[2] == "cancelled"
    assert numbers.total(ACTIVE) == 0
    assert numbers.connections() == {}


def test_a_stream_given_up_early_is_no_failure(numbers: Numbers, server: Server) -> None:
    """The application has seen enough; the call counts with the bytes that had come by then."""
    import httpx
    import requests
    import urllib3

    with httpx.Client(trust_env=False) as client:
        with client.stream("GET", server.url("/big")) as answer:
            next(answer.iter_raw())
    with requests.get(server.url("/big"), stream=True) as response:
        next(response.iter_content(1000))
    with urllib3.PoolManager() as manager:
        raw = manager.request("GET", server.url("/big"), preload_content=False)
        raw.read(1000)
        raw.close()

    assert numbers.outcomes() == {("GET", 200, None): 3}
    assert numbers.total(ACTIVE) == 0
    assert numbers.connections() == {}


def test_a_stream_of_chunks_left_within_a_loop_counts_with_what_was_read(
    numbers: Numbers, server: Server
) -> None:
    """What the loop goes over ends before the answer is closed."""
    import requests

    with requests.get(server.url("/chunked"), stream=True) as answer:
        for part in answer.iter_content(100):
            assert part == b"one"
            break

    assert numbers.sizes(RECEIVED) == {("GET", 200, None): (1, 3)}
    assert numbers.total(ACTIVE) == 0


def test_a_stream_that_is_never_closed_counts_when_it_is_forgotten(
    numbers: Numbers, server: Server
) -> None:
    """Only the status was of interest."""
    import requests

    with requests.Session() as session:
        answer = session.get(server.url("/chunked"), stream=True)
        assert numbers.total(ACTIVE) == 1
        assert answer.status_code == 200
        del answer

        assert numbers.outcomes() == {("GET", 200, None): 1}
        assert numbers.total(ACTIVE) == 0


def test_an_exception_while_streaming_is_the_applications_own(
    numbers: Numbers, server: Server
) -> None:
    """What the application raises in its loop says nothing about the call."""
    import requests

    def parts() -> Iterator[bytes]:
        with requests.get(server.url("/big"), stream=True) as answer:
            yield from answer.iter_content(1000)

    def fail() -> None:
        for _ in parts():
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.total(ACTIVE) == 0


def test_a_call_under_way_is_active_until_its_stream_ends(numbers: Numbers, server: Server) -> None:
    """It holds a connection as long."""
    import httpx

    with httpx.Client(trust_env=False) as client:
        with client.stream("GET", server.url("/chunked")) as answer:
            assert numbers.total(ACTIVE) == 1
            assert numbers.connections() == {"active": 1.0}
            answer.read()

        assert numbers.total(ACTIVE) == 0
        assert numbers.connections() == {"idle": 1.0}
