"""The part in C does what the part in Python does, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

from monagent.conventions import _http_pools, http_client
from monagent.native import part
from tests.http_client.numbers import Numbers
from tests.http_client.server import Server
from tests.parts import compiled, left, needed, on_every_minor, told


@compiled
@on_every_minor
def test_both_parts_do_the_same(minor: str) -> None:
    """Calls that begin and end, connections and callers, plain and odd, also in a forked child:
    all give the same, and every series is the same."""
    in_c = told("tests.http_client.operations", 20000, minor)

    assert len(in_c["recorded"]) > 1000
    calls = [cells for name, cells in in_c["recorded"].items() if "request.duration" in name]
    assert sum(map(sum, calls)) > 5000


@needed
def test_calls_leave_nothing_behind(numbers: Numbers, server: Server) -> None:
    """No object of ours lives on, and what all calls share is held as often as before."""
    import aiohttp
    import httpx
    import requests
    import urllib3

    url = server.url("/ok")

    def ask(times: int) -> list[int]:
        async def asynchronously() -> None:
            async with aiohttp.ClientSession() as one, httpx.AsyncClient(trust_env=False) as other:
                for _ in range(times):
                    async with one.get(url) as answer:
                        await answer.read()
                    await other.get(url)

        with requests.Session() as session, urllib3.PoolManager() as manager:
            for _ in range(times):
                session.get(url)
                manager.request("GET", url)
        with httpx.Client(trust_env=False) as client:
            for _ in range(times):
                client.get(url)
        asyncio.run(asynchronously())
        manager.clear()
        del session, manager, client
        gc.collect()
        counts = [sum(type(one) is _http_pools.Connection for one in gc.get_objects())]
        for calls in http_client.CALLS.values():
            calls.look = 1e18  # plain from the second time on
            shared = calls, calls.mem, calls.active, calls[200], calls.peer, calls.method
            counts += [sys.getrefcount(one) for one in shared]
        counts += [sys.getrefcount(http_client.Calls), sys.getrefcount(_http_pools.Connection)]
        return counts

    ask(3)
    before = ask(3)
    now = ask(100)

    assert now[0] <= before[0]
    assert left(before, now, 100) == []
    assert type(next(iter(http_client.CALLS.values()))[200]) is part.Finish
    assert numbers.outcomes() == {("GET", 200, None): 5 * 106}
    assert numbers.total("http.client.active_requests") == 0


@needed
def test_what_ends_calls_goes_with_its_circle() -> None:
    """The collector sees through it."""

    class Twin:
        def __call__(self, *given: float) -> None:
            self.given = given

    twin: Any = Twin()
    places = (0, (1.0,)), (3, (1.0,)), (6, (1.0,))
    twin.end = part.Finish(twin, [None], 9, *places, 4, -1, -1.0)
    twin.end(1, 2, 3)
    assert twin.given == (1, 2, 3)
    gc.collect()
    del twin

    assert gc.collect() > 0


@needed
def test_a_body_that_nobody_reads_goes_with_its_circle(numbers: Numbers) -> None:
    """It holds what tells of its end, which holds it; its call is counted as it goes."""
    from monagent.integrations._aiohttp_body import Awaited
    from tests.http_client.operations import Content

    calls = http_client.first_by_url("http://unread/", "GET")
    calls[200](0.0, 0, 0)
    for size in (0, 10):
        calls.mem[0][calls.at] += 1.0
        calls.look = 1e18
        content = Content(size)
        assert part.call_followed(Awaited, calls, 0.0, 200, content)
        before = sum(numbers.outcomes().values())
        gc.collect()
        del content
        gc.collect()

        assert sum(numbers.outcomes().values()) == before + 1
    assert numbers.total("http.client.active_requests") == 0


@needed
def test_a_body_that_cannot_be_followed_is_left_to_python(numbers: Numbers) -> None:
    """Nothing is counted yet, nor when what should have followed it goes."""
    from monagent.integrations._aiohttp_body import Awaited

    class Silent:
        def on_eof(self, callback: Any) -> None:
            raise KeyError

    calls = http_client.first_by_url("http://silent/", "GET")
    calls[200](0.0, 0, 0)
    calls.mem[0][calls.at] += 1.0
    calls.look = 1e18

    assert not part.call_followed(Awaited, calls, 0.0, 200, Silent())
    assert not part.call_followed(Awaited, calls, 0.0, 404, Silent())
    assert numbers.total("http.client.active_requests") == 1
    assert sum(numbers.outcomes().values()) == 1


@needed
def test_headers_that_calls_carry_say_what_is_within_them() -> None:
    """By what they are, not by what is in them, as often as a call has them, and none is kept."""

    class Headers(dict[str, str]):
        pass

    def within(headers: object) -> bool:
        return bool(part.is_within(headers, False, {}, {}, {}))

    several = [Headers() for _ in range(100)]
    held = [sys.getrefcount(one) for one in several]
    for one in several:
        assert not within(one)
        part.carry(one)
    known = [within(one) for one in several]
    assert known == [True] * 64 + [False] * 36  # those beyond are told by frames
    assert not within(Headers())

    for one in several[:30]:
        part.carry_no_more(one)
    assert [within(one) for one in several] == [False] * 30 + [True] * 34 + [False] * 36

    part.carry(several[40])
    part.carry_no_more(several[40])
    assert within(several[40])
    for one in several:
        part.carry_no_more(one)
    del one
    assert not any(map(within, several))
    assert [sys.getrefcount(one) for one in several] == held


@needed
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("begun_by_url", ()),
        ("begun_by_url", ([], {}, "http://a/", "GET")),
        ("begun_by_url", ({}, [], "http://a/", "GET")),
        ("begun_by_url", ({("http://a", "GET"): 5}, {}, "http://a/", "GET")),
        ("begun_by_url", ({}, {"GET": ("http://a", 5)}, "http://a/", "GET")),
        ("begun_by_httpx", ({}, {})),
        ("begun_by_httpx", ([], {}, None)),
        ("begun_by_httpx", ({}, [], None)),
        ("call_ended", (None, 0.0, 200, 0, 0)),
        ("call_ended", ()),
        ("call_ended_by_urllib3", (None, 0.0, 200, None, None)),
        ("call_ended_by_httpx", (None, 0.0, None, None)),
        ("call_followed", (None, None, 0.0, 200, None)),
        ("call_followed", ()),
        ("is_within", ()),
        ("is_within", (None, True, {}, [], {})),
        ("forked", ("5",)),
        ("Finish", (1, 2, 3)),
    ],
)
def test_arguments_that_nobody_gives_raise(name: str, given: tuple[Any, ...]) -> None:
    """They are a mistake of ours."""
    with pytest.raises(TypeError):
        getattr(part, name)(*given)
