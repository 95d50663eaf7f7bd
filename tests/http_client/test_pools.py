"""Connections and pools say what the library's own objects say."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.http_client.numbers import Numbers
from tests.http_client.server import Server

PENDING = "http.client.connection.pending_requests"
TIMEOUTS = "http.client.connection.timeouts"
WAIT = "http.client.connection.wait_time"
MOST = "http.client.connection.max"
LIFETIME = "http.client.connection.duration"


def count(numbers: Numbers, name: str) -> int:
    """Observations of a histogram."""
    return sum(int(sum(cells[1:])) for _, cells in numbers.series(name))


def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_kept_connections_are_idle_and_closed_ones_are_gone(
    numbers: Numbers, server: Server
) -> None:
    """requests keeps one per host; a session that is closed keeps none."""
    import requests

    session = requests.Session()
    session.get(server.url("/ok"))
    assert numbers.connections() == {"idle": 1.0}
    session.get(server.url("/ok"))
    assert numbers.connections() == {"idle": 1.0}
    with session.get(server.url("/big"), stream=True):
        assert numbers.connections() == {"active": 1.0}
    session.get(server.url("/ok"))
    session.get(server.url("/close"))
    assert numbers.connections() == {}
    session.close()

    assert count(numbers, LIFETIME) == 2


def test_a_full_pool_of_urllib3_says_who_waits(numbers: Numbers, server: Server) -> None:
    """One connection, held by a stream, and a second call that has to wait for it."""
    import urllib3

    port = server.port
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1, block=True)
    held = pool.urlopen("GET", "/chunked", preload_content=False)
    waiting = threading.Thread(target=pool.urlopen, args=("GET", "/ok"))
    waiting.start()
    until(lambda: numbers.total(PENDING) == 1)
    assert numbers.total(MOST) == 1
    assert numbers.connections() == {"active": 1.0}
    held.read()
    waiting.join()
    assert numbers.total(PENDING) == 0
    assert count(numbers, WAIT) == 1

    held = pool.urlopen("GET", "/chunked", preload_content=False)
    with pytest.raises(urllib3.exceptions.EmptyPoolError):
        pool.urlopen("GET", "/ok", pool_timeout=0.01)  # type: ignore[arg-type]  # float it is
    held.read()
    pool.close()

    assert numbers.total(TIMEOUTS) == 1
    assert numbers.total(PENDING) == 0
    assert numbers.outcomes()["GET", None, "pool_timeout"] == 1
    assert numbers.connections() == {}
    del pool, held
    assert numbers.total(MOST) == 0


def test_a_full_pool_of_httpx_says_who_waits(numbers: Numbers, server: Server) -> None:
    """As above, in threads."""
    import httpx

    limits = httpx.Limits(max_connections=1)
    with httpx.Client(limits=limits, trust_env=False) as client:
        assert numbers.total(MOST) == 1
        with client.stream("GET", server.url("/chunked")) as held:
            waiting = threading.Thread(target=client.get, args=(server.url("/ok"),))
            waiting.start()
            until(lambda: numbers.total(PENDING) == 1)
            with pytest.raises(httpx.PoolTimeout):
                client.get(server.url("/ok"), timeout=httpx.Timeout(5, pool=0.01))
            held.read()
        waiting.join()
        assert numbers.connections() == {"idle": 1.0}

    assert (numbers.total(PENDING), numbers.total(TIMEOUTS), count(numbers, WAIT)) == (0, 1, 1)
    assert numbers.connections() == {}


def test_a_full_pool_of_async_httpx_says_who_waits(numbers: Numbers, server: Server) -> None:
    """Five calls over two connections."""
    import httpx

    async def work() -> None:
        limits = httpx.Limits(max_connections=2)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
            calls = [asyncio.create_task(client.get(server.url("/chunked"))) for _ in range(5)]
            while numbers.total(PENDING) != 3:
                await asyncio.sleep(0)
            await asyncio.gather(*calls)
            assert numbers.connections() == {"idle": 2.0}

    asyncio.run(work())

    assert count(numbers, WAIT) == 3
    assert (numbers.total(PENDING), numbers.total(TIMEOUTS)) == (0, 0)
    assert numbers.connections() == {}


def test_connections_of_http_2_are_counted_once_for_all_their_streams(
    numbers: Numbers,
) -> None:
    """The state follows the last stream."""
    from httpcore import Origin
    from httpcore._sync.http2 import HTTP2Connection

    silent: Any = _Silent()
    connection = HTTP2Connection(Origin(b"https", b"host.example", 443), stream=silent)
    assert numbers.connections() == {"active": 1.0}
    connection.close()

    assert numbers.connections() == {}


def test_a_child_does_not_subtract_what_its_parent_counted(
    numbers: Numbers, server: Server
) -> None:
    """It inherits an idle connection, and uses and closes it."""
    import requests

    session = requests.Session()
    session.get(server.url("/ok"))
    pid = os.fork()
    if pid == 0:
        fell = True
        try:
            session.get(server.url("/ok"))
            idle = numbers.connections()
            session.close()
            fell = idle != {"idle": 1.0} or numbers.connections() != {}
        finally:
            os._exit(int(fell))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert numbers.connections() == {"idle": 1.0}
    session.close()


class _Silent:
    """A network stream that nothing comes from."""

    def get_extra_info(self, name: str) -> None:
        return None

    def close(self) -> None:
        return None


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["threads", "tasks"])
def test_a_call_that_is_woken_in_vain_waits_once(
    numbers: Numbers, server: Server, library: str, asynchronous: bool
) -> None:
    """All that wait are given a connection that becomes idle, and one of them has it."""
    httpx = pytest.importorskip(library)  # httpx2 is not beside the oldest versions
    options = {"limits": httpx.Limits(max_connections=1), "trust_env": False}
    paths = ["/chunked"] * 6 + ["/hangup"]

    async def work() -> None:
        async with httpx.AsyncClient(**options) as client:
            async with client.stream("GET", server.url("/ok")):
                calls = [asyncio.create_task(client.get(server.url(path))) for path in paths]
                while numbers.total(PENDING) != len(paths):
                    await asyncio.sleep(0)
            await asyncio.wait(calls)
            assert isinstance(calls[-1].exception(), httpx.RemoteProtocolError)

    if asynchronous:
        asyncio.run(work())
    else:
        with httpx.Client(**options) as client, ThreadPoolExecutor(len(paths)) as threads:
            with client.stream("GET", server.url("/ok")):
                calls = [threads.submit(client.get, server.url(path)) for path in paths]
                until(lambda: numbers.total(PENDING) == len(paths))
            # Before httpcore 1.0 another thread may close what this one reads from.
            assert isinstance(calls[-1].exception(), httpx.TransportError)
        del calls  # with the error
    # What has failed on its connection counts when its error goes.
    until(lambda: gc.collect() >= 0 and count(numbers, WAIT) >= len(paths))

    assert count(numbers, WAIT) == len(paths)
    assert (numbers.total(PENDING), numbers.total(TIMEOUTS)) == (0, 0)
