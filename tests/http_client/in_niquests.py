"""What niquests has beyond the table: run by test_niquests.py, in an environment of niquests'."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import niquests
import pytest
import trustme

from tests.http_client.numbers import ACTIVE, RECEIVED, SENT, Numbers
from tests.http_client.server import Server
from tests.ports import free_port

RESENDS = "http.client.request.resends"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """/hop leads to /ok, which has a body of five bytes."""
    if scope["type"] != "http":
        return
    hop = scope["path"] == "/hop"
    headers = [(b"location", b"/ok")] if hop else [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 302 if hop else 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if hop else b"hello"})


@pytest.fixture
def http2(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server of HTTP/2: its URL, and the file of who vouches for it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    config = hypercorn.config.Config()
    port = free_port()
    config.bind = [f"localhost:{port}"]
    config.certfile = config.keyfile = str(tmp_path / "server.pem")
    config.loglevel = "CRITICAL"
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    up = threading.Event()

    async def serve() -> None:
        loop.call_later(0.3, up.set)
        await hypercorn.asyncio.serve(application, config, shutdown_trigger=over.wait)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(10)
    try:
        yield f"https://localhost:{port}", str(tmp_path / "ca.pem")
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def test_promises_count_when_they_are_kept(numbers: Numbers, http2: tuple[str, str]) -> None:
    """Three at once over one connection, one of them by way of a redirect."""
    url, authority = http2
    with niquests.Session(multiplexed=True) as session:
        session.verify = authority
        session.trust_env = False
        session.get(f"{url}/ok").content  # noqa: B018 - from here on it is known to be HTTP/2
        answers = [session.get(url + path) for path in ("/ok", "/hop", "/ok")]
        assert all(answer.lazy for answer in answers)
        assert numbers.total(ACTIVE) == 3
        session.gather()
        assert [answer.content for answer in answers] == [b"hello"] * 3

    assert numbers.outcomes() == {("GET", 200, None): 4}
    assert numbers.sizes(RECEIVED) == {("GET", 200, None): (4, 20)}
    assert numbers.values(RESENDS, "reason") == {("redirect",): 1.0}
    assert numbers.total(ACTIVE) == 0


def test_asynchronous_promises_count_when_they_are_kept(
    numbers: Numbers, http2: tuple[str, str]
) -> None:
    """The same in an event loop."""
    url, authority = http2

    async def work() -> None:
        async with niquests.AsyncSession(multiplexed=True) as session:
            session.verify = authority
            session.trust_env = False
            await session.gather(await session.get(f"{url}/ok"))
            answers = [await session.get(url + path) for path in ("/ok", "/hop", "/ok")]
            await session.gather()
            for answer in answers:
                content: Any = answer.content  # of one that was redirected it is awaited
                assert (await content if asyncio.iscoroutine(content) else content) == b"hello"

    asyncio.run(work())

    assert numbers.outcomes() == {("GET", 200, None): 4}
    assert numbers.values(RESENDS, "reason") == {("redirect",): 1.0}
    assert numbers.total(ACTIVE) == 0


def test_a_promise_that_nobody_waits_for_is_cancelled(
    numbers: Numbers, http2: tuple[str, str]
) -> None:
    """When the answer to be is dropped."""
    url, authority = http2
    session = niquests.Session(multiplexed=True)
    session.verify = authority
    session.trust_env = False
    session.get(f"{url}/ok").content  # noqa: B018 - from here on it is known to be HTTP/2
    session.get(f"{url}/ok")
    session.close()
    del session
    gc.collect()

    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", None, "cancelled"): 1}
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
