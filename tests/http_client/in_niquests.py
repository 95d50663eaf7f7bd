"""What niquests has beyond the table: run by test_niquests.py, in an environment of niquests'."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

import niquests
import pytest

from tests.http_client.numbers import ACTIVE, RECEIVED, SENT, Numbers
from tests.http_client.server import Server
from tests.http_client.test_pools import MOST, PENDING, TIMEOUTS, WAIT, count, until

RESENDS = "http.client.request.resends"


def refusing(answer: Any, **_: Any) -> None:
    """A hook that raises for a status."""
    answer.raise_for_status()


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("path", ["/limited", "/away/limited"])
def test_a_hook_that_raises_for_the_status_leaves_the_call_its_answer(
    numbers: Numbers, server: Server, asynchronous: bool, path: str
) -> None:
    """With redirects, too."""
    hooks: Any = {"response": [refusing]}

    async def work() -> None:
        async with niquests.AsyncSession() as session:
            await session.get(server.url(path), hooks=hooks)

    def wait() -> None:
        with niquests.Session() as session:
            session.get(server.url(path), hooks=hooks)

    with pytest.raises(niquests.HTTPError):
        asyncio.run(work()) if asynchronous else wait()

    assert numbers.outcomes() == {("GET", 429, "429"): 1}
    assert numbers.total("http.client.throttled") == 1
    assert numbers.total(ACTIVE) == 0


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_retries_of_a_session_are_one_call(
    numbers: Numbers, server: Server, asynchronous: bool
) -> None:
    """Two answers of 503, then one of 200."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    from urllib3 import Retry

    path = f"/flaky/{uuid.uuid4()}"
    retries: Any = Retry(total=5, status_forcelist=[503], backoff_factor=0)
    if asynchronous:

        async def work() -> None:
            async with niquests.AsyncSession(retries=retries) as session:
                await session.get(server.url(path))

        asyncio.run(work())
    else:
        with niquests.Session(retries=retries) as session:
            session.get(server.url(path))

    assert server.seen.count(path) == 3
    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.values(RESENDS, "reason") == {("status",): 2.0}


def test_a_pool_is_asked_for_a_connection_as_it_takes_it(
    numbers: Numbers, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the call's own timeout, which Happy Eyeballs go by."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    from urllib3 import HTTPConnectionPool

    given: list[Any] = []
    original: Any = HTTPConnectionPool._new_conn

    def new(self: Any, *, heb_timeout: Any = None) -> Any:
        given.append(heb_timeout and heb_timeout.connect_timeout)
        return original(self, heb_timeout=heb_timeout)

    monkeypatch.setattr(HTTPConnectionPool, "_new_conn", new)
    with niquests.Session() as session:
        session.get(server.url("/ok"), timeout=7)

    assert given == [7]


def test_a_stream_that_is_closed_early_counts_as_answered(numbers: Numbers, server: Server) -> None:
    """Sync and async, with what was read until then or without a size."""
    with niquests.Session() as session:
        answer = session.get(server.url("/big"), stream=True)
        answer.close()
        del answer

    async def work() -> None:
        async with niquests.AsyncSession() as session:
            answer = await session.get(server.url("/big"), stream=True)
            await answer.close()

    asyncio.run(work())
    gc.collect()

    assert numbers.outcomes() == {("GET", 200, None): 2}
    assert numbers.total(ACTIVE) == 0


def test_a_cancelled_call_counts_as_cancelled(numbers: Numbers, server: Server) -> None:
    """The task that waits for the answer is cancelled."""

    async def work() -> None:
        async with niquests.AsyncSession() as session:
            task = asyncio.ensure_future(session.get(server.url("/silent")))
            while "/silent" not in server.seen:
                await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    server.seen.clear()
    asyncio.run(work())

    assert numbers.outcomes() == {("GET", None, "cancelled"): 1}
    assert numbers.total(ACTIVE) == 0


def test_a_full_pool_says_who_waits(numbers: Numbers, server: Server) -> None:
    """One connection, on which a server does not answer, and two calls that have to wait for it."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    import urllib3

    pool = urllib3.HTTPConnectionPool("127.0.0.1", server.port, maxsize=1, block=True)

    def hold() -> None:
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            pool.urlopen("GET", "/silent", timeout=1.0, retries=False)

    def call() -> None:
        pool.urlopen("GET", "/ok")

    server.seen.clear()
    tasks = [threading.Thread(target=task, daemon=True) for task in (hold, call, call)]
    tasks[0].start()
    until(lambda: "/silent" in server.seen)
    assert (numbers.total(MOST), numbers.total(PENDING)) == (1, 0)
    for task in tasks[1:]:
        task.start()
    until(lambda: numbers.total(PENDING) == 2)
    with pytest.raises(urllib3.exceptions.EmptyPoolError):
        pool.urlopen("GET", "/ok", pool_timeout=0.01)  # type: ignore[arg-type]  # float it is
    for task in tasks:
        task.join(30)
    pool.urlopen("GET", "/ok")
    pool.close()

    assert (numbers.total(PENDING), numbers.total(TIMEOUTS), count(numbers, WAIT)) == (0, 1, 2)


def test_requests_and_urllib3_count_once_over_the_fork(numbers: Numbers, server: Server) -> None:
    """Which may have taken urllib3's place under them."""
    import requests
    import urllib3

    requests.post(server.url("/upload"), data=iter([b"ab", b"c"]))
    with urllib3.PoolManager() as manager:
        manager.request("GET", server.url("/redirect/2"))
    with niquests.Session() as session:
        session.put(server.url("/upload"), data=b"xyz")

    assert numbers.outcomes() == {
        ("POST", 200, None): 1,
        ("GET", 200, None): 1,
        ("PUT", 200, None): 1,
    }
    assert numbers.sizes(SENT)["PUT", 200, None] == (1, 3)


@pytest.mark.parametrize("block", [False, True])
def test_connections_of_pools_are_idle_when_their_answer_was_read(
    numbers: Numbers, server: Server, block: bool
) -> None:
    """Pools of urllib3's fork get them back from the response."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    import urllib3

    with urllib3.PoolManager(block=block, maxsize=1) as manager:
        for _ in range(3):
            manager.request("GET", server.url("/ok"))
            assert numbers.connections() == {"idle": 1}
        answer = manager.request("GET", server.url("/big"), preload_content=False)
        answer.read(10)
        assert numbers.connections() == {"active": 1}
        answer.read()
        assert numbers.connections() == {"idle": 1}
        manager.request("GET", server.url("/big"), preload_content=False).close()
        assert numbers.connections() == {}


def test_signatures_and_kinds_are_as_before(numbers: Numbers) -> None:
    """Also of what is asynchronous."""
    import inspect
    import pickle

    for function, asynchronous in (
        (niquests.Session.send, False),
        (niquests.AsyncSession.send, True),
    ):
        original = inspect.unwrap(function)
        assert original is not function
        assert type(function) is type(original)
        assert inspect.signature(function) == inspect.signature(original)
        assert inspect.iscoroutinefunction(function) is asynchronous
        assert pickle.loads(pickle.dumps(function)) is function


def test_an_answer_is_pickled_as_before(numbers: Numbers, server: Server) -> None:
    """With its body."""
    import pickle

    with niquests.Session() as session:
        answer = session.get(server.url("/ok"))
    kept = pickle.loads(pickle.dumps(answer))

    assert (kept.status_code, kept.content) == (200, b"hello")


async def parts() -> AsyncIterator[bytes]:
    """A body without a length."""
    yield b"ab"
    yield b"c"


def test_asynchronous_parts_are_counted(numbers: Numbers, server: Server) -> None:
    """By niquests' own account of the upload."""

    async def work() -> None:
        async with niquests.AsyncSession() as session:
            await session.post(server.url("/upload"), data=parts())

    asyncio.run(work())

    assert numbers.sizes(SENT) == {("POST", 200, None): (1, 3)}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_digest_that_is_asked_for_is_part_of_the_call(
    numbers: Numbers, server: Server, asynchronous: bool
) -> None:
    """niquests sends the same request once more, with the digest."""
    name = "AsyncHTTPDigestAuth" if asynchronous else "HTTPDigestAuth"
    if not hasattr(niquests.auth, name):
        pytest.skip("not in this version")
    digest = getattr(niquests.auth, name)("me", "secret")

    async def work() -> None:
        async with niquests.AsyncSession() as session:
            await session.get(server.url("/guarded/digest"), auth=digest)

    def wait() -> None:
        with niquests.Session() as session:
            session.get(server.url("/guarded/digest"), auth=digest)

    asyncio.run(work()) if asynchronous else wait()

    assert server.seen[-2:] == ["/guarded/digest"] * 2
    assert numbers.outcomes() == {("GET", 200, None): 1}
    assert numbers.values(RESENDS, "reason") == {("auth",): 1.0}


def test_chunks_of_the_fork_count_once(numbers: Numbers, server: Server) -> None:
    """Whoever reads them as such."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    import urllib3

    with urllib3.PoolManager() as manager:
        answer = manager.request("GET", server.url("/chunked"), preload_content=False)
        assert b"".join(answer.read_chunked()) == b"onethreeseventeen"

    assert numbers.sizes(RECEIVED) == {("GET", 200, None): (1, 17)}


def test_an_answer_that_exhausts_the_retries_is_throttled(numbers: Numbers, server: Server) -> None:
    """As the one before."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    from urllib3 import Retry

    retries: Any = Retry(1, status_forcelist=[429], respect_retry_after_header=False)
    with (
        niquests.Session(retries=retries) as session,
        pytest.raises(niquests.exceptions.RetryError),
    ):
        session.get(server.url("/limited"))

    assert numbers.total("http.client.throttled") == 2
