"""Clients that are made and dropped leave nothing behind."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.http_client.server import Server


def requests_session(url: str) -> Any:
    """A session with a call behind it."""
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_block=True))
    session.get(url)
    session.close()
    return session


def urllib3_manager(url: str) -> Any:
    """A manager with a call behind it, never closed."""
    import urllib3

    manager = urllib3.PoolManager(block=True)
    manager.request("GET", url)
    return manager


def httpx_client(url: str) -> Any:
    """A client with a call over a transport of the process."""
    import httpx

    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200)))
    client.get(url)
    return client


@pytest.mark.parametrize("make", [requests_session, urllib3_manager, httpx_client])
def test_dropped_clients_are_collected_and_memory_stays(
    numbers: Numbers, server: Server, make: Callable[[str], Any]
) -> None:
    """Hundreds of each, and the memory after them is that after the first few."""
    url = server.url("/ok")
    references = [weakref.ref(make(url)) for _ in range(50)]
    gc.collect()
    assert all(reference() is None for reference in references)

    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for _ in range(300):
            make(url)
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()

    ours = [
        found
        for found in after.compare_to(before, "filename")
        if "monagent" in found.traceback[0].filename
    ]
    assert sum(found.size_diff for found in ours) < 20_000
    assert numbers.connections() == {}
    assert numbers.total("http.client.connection.max") == 0


def test_ten_thousand_clients_of_httpx_leave_no_memory(numbers: Numbers) -> None:
    """Made and dropped without a call, as careless programs do per request."""
    import httpcore

    def drop(times: int) -> None:
        for _ in range(times):
            httpcore.ConnectionPool(max_connections=10)

    drop(100)
    gc.collect()
    tracemalloc.start()
    try:
        drop(10_000)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 100_000
    assert numbers.total("http.client.connection.max") == 0


def test_an_answer_that_is_dropped_goes_at_once_after_a_retry(
    numbers: Numbers, server: Server
) -> None:
    """What the try before has raised holds its frames until the next collection, and those of
    urllib3's pools hold no answer: its connection is closed, and nobody warns of it."""
    import urllib3

    gc.disable()
    try:
        with urllib3.connection_from_url(server.url("/")) as pool:
            asked = pool.urlopen("GET", "/stumbling/once", retries=1, preload_content=False)
            answer = weakref.ref(asked)
            del asked
            assert answer() is None
    finally:
        gc.enable()
