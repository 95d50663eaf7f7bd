"""Every request counts once, by the resource that took it, as what became of it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from monagent import settings
from monagent.conventions.http import error_type
from tests.aiohttp.site import GET, OLD, serving, until
from tests.http.numbers import Numbers


async def hello(request: web.Request) -> web.StreamResponse:
    """Any handler."""
    return web.Response(text="hello")


def ask(app: Any, *paths: str, headers: bytes = b"") -> list[bytes]:
    """Answers of an application to these, one after the other."""

    async def work() -> list[bytes]:
        async with serving(app) as site:
            return [await site.get(path, headers) for path in paths]

    return asyncio.run(work())


def test_routes_are_those_of_the_resources(numbers: Numbers) -> None:
    """Plain, dynamic, by expression, of a class, nested twice, of a host."""

    class View(web.View):
        async def get(self) -> web.StreamResponse:
            return web.Response(text="view")

    inner, middle, app, domain = (web.Application() for _ in range(4))
    inner.add_routes([web.get("/items/{item}", hello), web.get("/", hello)])
    middle.add_subapp("/inner", inner)
    domain.add_routes([web.get("/there/{place}", hello)])
    app.add_routes([web.get("/plain", hello), web.get(r"/number/{n:\d+}", hello)])
    app.add_routes([web.view("/view/{name}", View), web.get("/rest/{tail:.*}", hello)])
    app.add_subapp("/middle", middle)
    app.add_domain("host.example", domain)
    ask(
        app,
        *("/plain?q=1", "/number/5", "/number/x", "/view/a", "/rest/a/b/c"),
        *("/middle/inner/items/7", "/middle/inner/", "/middle/inner/nothing", "/middle"),
    )

    assert numbers.counts() == {
        "GET /plain 200": 1,
        "GET /number/{n} 200": 1,
        "GET /view/{name} 200": 1,
        "GET /rest/{tail} 200": 1,
        "GET /middle/inner/items/{item} 200": 1,
        "GET /middle/inner/ 200": 1,
        "GET unmatched 404": 3,
    }
    assert numbers.total("http.server.active_requests") == 0


def test_a_method_that_a_resource_does_not_take_is_its_405(numbers: Numbers) -> None:
    """At the root, in a sub-application, of a host."""
    inner, app, hosts, domain = (web.Application() for _ in range(4))
    app.add_routes([web.post("/plain", hello)])
    inner.add_routes([web.put("/items/{item}", hello)])
    domain.add_routes([web.patch("/there", hello)])
    app.add_subapp("/inner", inner)
    hosts.add_domain("site.example", domain)
    ask(app, "/plain", "/inner/items/7", "/nothing")
    ask(hosts, "/there")

    assert numbers.counts() == {
        "GET /plain 405": 1,
        "GET /inner/items/{item} 405": 1,
        "GET /there 405": 1,
        "GET unmatched 404": 1,
    }


def test_a_raised_answer_carries_its_own_status(numbers: Numbers) -> None:
    """An exception of HTTP is an answer, also where it says that the server is at fault."""

    def raising(error: BaseException) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            raise error

        return handler

    async def late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        raise LookupError

    app = web.Application()
    found = {
        "/found": web.HTTPFound("/"), "/gone": web.HTTPGone(), "/bad": web.HTTPBadGateway(),
        "/value": ValueError(), "/timeout": asyncio.TimeoutError(),
    }  # fmt: skip
    app.add_routes([web.get(path, raising(error)) for path, error in found.items()])
    app.add_routes([web.get("/late", late), web.get("/nothing", _nothing)])
    ask(app, *found, "/late", "/nothing")

    assert numbers.counts() == {
        "GET /found 302": 1,
        "GET /gone 410": 1,
        "GET /bad 502 502": 1,
        "GET /value 500 ValueError": 1,
        f"GET /timeout 504 {error_type(asyncio.TimeoutError())}": 1,  # of another name until 3.11
        "GET /late 200 LookupError": 1,
        f"GET /nothing 500 {'RuntimeError' if OLD else '500'}": 1,
    }
    assert numbers.total("http.server.active_requests") == 0


async def _nothing(request: web.Request) -> Any:
    """A handler that forgot to return."""


def test_a_client_that_leaves_is_no_failure_of_the_server(numbers: Numbers) -> None:
    """Before there was an answer, within one, and while it was still sending."""
    arrived = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await until(lambda: request.transport is None)
        return web.Response(text="too late")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"more")
            await asyncio.sleep(0.001)

    async def polite(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.001)
        except ConnectionResetError:
            return response

    async def read(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(len(await request.read())))

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/slow", slow), web.get("/endless", endless)])
        app.add_routes([web.get("/polite", polite), web.post("/read", read)])
        async with serving(app) as site:
            client = asyncio.create_task(site.leave(GET % (b"/slow", b""), b""))
            await client
            for path in (b"/endless", b"/polite"):
                await site.leave(GET % (path, b""), b"\r\n\r\n")
            await site.leave(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
            await until(lambda: sum(numbers.counts().values()) == 4)

    asyncio.run(work())

    assert numbers.counts() == {
        "GET /slow 499 client_disconnected": 1,
        "GET /endless 200 client_disconnected": 1,
        "GET /polite 200 client_disconnected": 1,
        "POST /read 499 client_disconnected": 1,
    }
    assert numbers.total("http.server.active_requests") == 0


def test_a_request_that_nobody_can_read_counts(numbers: Numbers) -> None:
    """Its method is none that we know."""

    async def work() -> None:
        async with serving(web.Application()) as site:
            assert b" 400 " in await site.ask(b"GARBAGE\r\n\r\n")

    asyncio.run(work())

    assert numbers.counts() == {"_OTHER unmatched 400": 1}


def test_a_server_without_an_application_counts(numbers: Numbers) -> None:
    """It has no routes."""

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="low")

    ask(handler, "/a", "/b")

    assert numbers.counts() == {"GET unmatched 200": 2}


def test_many_requests_at_once_over_connections_that_stay_open(numbers: Numbers) -> None:
    """Pipelined, and side by side."""
    app = web.Application()
    app.add_routes([web.get("/x/{y}", hello)])

    async def work() -> None:
        async with serving(app) as site:
            more = GET.replace(b"Connection: close\r\n", b"")
            pipeline = more % (b"/x/1", b"") * 9 + GET % (b"/x/2", b"")
            answers = await asyncio.gather(*(site.ask(pipeline) for _ in range(10)))
            assert all(answer.count(b"200 OK") == 10 for answer in answers)

    asyncio.run(work())

    assert numbers.counts() == {"GET /x/{y} 200": 100}
    assert numbers.sums("http.server.response.body.size") == {"/x/{y}": 500.0}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.skipif(OLD, reason="it waits for a minute")
def test_a_handler_cancelled_with_its_server_is_no_clients_doing(numbers: Numbers) -> None:
    """The runner waits for requests under way, then cancels them."""

    async def stuck(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    async def work() -> None:
        app = web.Application()
        app.add_routes([web.get("/stuck", stuck)])
        async with serving(app, shutdown_timeout=0.1) as site:
            client = asyncio.create_task(site.get("/stuck"))
            await until(lambda: numbers.total("http.server.active_requests") == 1)
        await client

    asyncio.run(work())

    (outcome,) = numbers.counts()
    assert outcome == "GET /stuck 500 asyncio.exceptions.CancelledError"
    assert numbers.total("http.server.active_requests") == 0


def test_the_time_before_the_server_is_read_off_the_proxys_header(numbers: Numbers) -> None:
    """X-Request-Start, in whatever case."""
    app = web.Application()
    app.add_routes([web.get("/", hello)])
    stamp = f"t={time.time() - 30:.3f}".encode()

    async def work() -> None:
        async with serving(app) as site:
            for name in (b"x-request-start", b"X-QUEUE-START", b"X-Other"):
                await site.get("/", name + b": " + stamp + b"\r\n")

    asyncio.run(work())

    ((_, cells),) = numbers.series("http.server.request.queue.duration").items()
    assert sum(cells[1:]) == 2
    assert cells[0] > 59  # A clock may be set meanwhile.
    assert numbers.counts() == {"GET / 200": 3}


@pytest.mark.parametrize("variable", ["MONAGENT_EXCLUDED_URLS", "MONAGENT_DISABLE"])
def test_what_is_excluded_is_left_alone(numbers: Numbers, variable: str) -> None:
    """One URL, or the whole family."""
    from monagent.instrument import hooks

    hooks.uninstall()
    chosen = {"MONAGENT_EXCLUDED_URLS": "/health", "MONAGENT_DISABLE": "http"}[variable]
    settings.use(settings.load({variable: chosen}))
    hooks.install()
    app = web.Application()
    app.add_routes([web.get("/health", hello), web.get("/ok", hello)])
    ask(app, "/health", "/ok")

    expected = {"GET /ok 200": 1} if variable == "MONAGENT_EXCLUDED_URLS" else {}
    assert numbers.counts() == expected


def test_middlewares_are_part_of_the_request(numbers: Numbers) -> None:
    """What they answer themselves, and what they raise."""

    @web.middleware
    async def guarding(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("denied"):
            raise web.HTTPForbidden
        if request.path.endswith("cached"):
            return web.Response(status=203)
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[guarding])
    app.add_routes([web.get("/x/{y}", hello)])
    ask(app, "/x/denied", "/x/cached", "/x/other", "/denied")

    assert numbers.counts() == {
        "GET /x/{y} 403": 1,
        "GET /x/{y} 203": 1,
        "GET /x/{y} 200": 1,
        "GET unmatched 403": 1,
    }
