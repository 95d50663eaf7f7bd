"""Promises of multiplexed sessions: run by test_niquests.py, in an environment of niquests'."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import niquests
import pytest
import trustme

from tests.http_client.in_niquests import RESENDS, refusing
from tests.http_client.numbers import ACTIVE, RECEIVED, Numbers
from tests.ports import free_port


async def application(scope: Any, receive: Any, send: Any) -> None:
    """/hop leads to /ok, which has a body of five bytes as /gone has."""
    if scope["type"] != "http":
        return
    hop = scope["path"] == "/hop"
    status = 302 if hop else 410 if scope["path"] == "/gone" else 200
    headers = [(b"location", b"/ok")] if hop else [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
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
    assert up.wait(30)
    try:
        yield f"https://localhost:{port}", str(tmp_path / "ca.pem")
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
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


def test_a_connection_is_active_as_long_as_one_of_its_answers_is_to_come(
    numbers: Numbers, http2: tuple[str, str]
) -> None:
    """Also of one that is closed before it is read."""
    if niquests._compat.HAS_LEGACY_URLLIB3:
        pytest.skip("urllib3's fork stands beside urllib3, and is not watched there")
    url, authority = http2
    with niquests.Session(multiplexed=True) as session:
        session.verify = authority
        session.trust_env = False
        session.get(f"{url}/ok").content  # noqa: B018 - from here on it is known to be HTTP/2
        assert numbers.connections() == {"idle": 1}
        promises = [session.get(f"{url}/ok") for _ in range(2)]
        assert numbers.connections() == {"active": 1}
        session.gather()
        assert [promise.content for promise in promises] == [b"hello"] * 2
        assert numbers.connections() == {"idle": 1}
        with niquests.Session() as other:
            other.verify = authority
            other.trust_env = False
            other.get(f"{url}/ok", stream=True).close()
            assert numbers.connections() == {"idle": 2}

    assert numbers.connections() == {}


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
def test_a_hook_that_raises_for_the_status_of_a_promise_leaves_it_its_answer(
    numbers: Numbers, http2: tuple[str, str], asynchronous: bool
) -> None:
    """When it is kept; behind redirects niquests runs no hook of a promise."""
    url, authority = http2
    hooks: Any = {"response": [refusing]}

    async def work() -> None:
        async with niquests.AsyncSession(multiplexed=True) as session:
            session.verify = authority
            session.trust_env = False
            await session.gather(await session.get(f"{url}/ok"))
            await session.get(f"{url}/gone", hooks=hooks)
            await session.gather()

    def wait() -> None:
        with niquests.Session(multiplexed=True) as session:
            session.verify = authority
            session.trust_env = False
            session.get(f"{url}/ok").content  # noqa: B018 - from here on it is known to be HTTP/2
            session.get(f"{url}/gone", hooks=hooks)
            session.gather()

    with pytest.raises(niquests.HTTPError):
        asyncio.run(work()) if asynchronous else wait()
    gc.collect()

    assert numbers.outcomes() == {("GET", 200, None): 1, ("GET", 410, "410"): 1}
    assert numbers.total(ACTIVE) == 0
