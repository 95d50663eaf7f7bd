"""Sanic under its own server: routes, every ending of a request, sizes, worker processes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from monagent import settings
from monagent.instrument import hooks
from tests.http.forked import each_request_counts_once
from tests.http.numbers import Numbers
from tests.ports import free_port

pytest.importorskip("sanic")

APPS = Path(__file__).parent / "apps"
HEAD = "HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
NAMES = map("app{}".format, itertools.count())

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


def get(path: str, more: str = "", method: str = "GET") -> bytes:
    """A request without a body."""
    return f"{method} {path} {HEAD}{more}\r\n".encode()


def post(path: str, body: bytes, more: str = "") -> bytes:
    """A request with a body of a declared length."""
    return f"POST {path} {HEAD}Content-Length: {len(body)}\r\n{more}\r\n".encode() + body


def application(**routes: Any) -> Any:
    """A Sanic application with these handlers, by their names."""
    from sanic import Sanic

    Sanic.test_mode = True  # or it starts only once, since it rewrites its own methods
    app = Sanic(next(NAMES), configure_logging=False)
    for name, handler in routes.items():
        app.add_route(handler, f"/{name}", methods=["GET", "HEAD", "POST"], name=name)
    return app


async def ok(request: Any) -> Any:
    """Answers."""
    from sanic.response import text

    return text("ok")


def raising(error: Any) -> Any:
    """A handler that raises."""

    async def fails(request: Any) -> None:
        raise error

    return fails


def serve(app: Any, *requests: bytes | Talk) -> list[bytes]:
    """What the application answers to requests, each on a connection of its own.

    In place of bytes: a coroutine function that talks to the server itself.
    """

    async def main() -> list[bytes]:
        port = free_port()
        server = await app.create_server(
            host="127.0.0.1", port=port, return_asyncio_server=True, access_log=False
        )
        await server.startup()
        await server.start_serving()
        answers = []
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if isinstance(request, bytes):
                writer.write(request)
                answers.append(await reader.read())
            else:
                await request(reader, writer)
            writer.close()
        await server.close()
        return answers

    return asyncio.run(main())


def test_routes_have_the_prefixes_of_blueprints_and_versions(numbers: Numbers) -> None:
    """As Sanic spells them, however many paths they take."""
    from sanic import Blueprint

    app = application(ok=ok)
    one, two = Blueprint("one", url_prefix="/one"), Blueprint("two", url_prefix="/two", version=2)

    async def item(request: Any, item: int) -> Any:
        return await ok(request)

    one.add_route(item, "/items/<item:int>", name="item")
    two.add_route(item, "/items/<item:int>/", name="item")
    app.blueprint(Blueprint.group(one, two, url_prefix="/api"))
    serve(
        app,
        get("/ok"),
        get("/api/one/items/1"),
        get("/api/one/items/2"),
        get("/v2/api/two/items/3/"),
        get("/api/one/items/none"),
        get("/ok", method="DELETE"),
        get("/api/one/items/1", method="DELETE"),
    )

    assert numbers.counts() == {
        "GET /ok 200": 1,
        "GET /api/one/items/<item:int> 200": 2,
        "GET /v2/api/two/items/<item:int> 200": 1,
        "GET unmatched 404": 1,
        "DELETE /ok 405": 1,
        "DELETE /api/one/items/<item:int> 405": 1,
    }


def test_an_exception_has_its_status_and_its_type(numbers: Numbers) -> None:
    """Sanic's own say their status, and so does what the application makes of one."""
    from sanic.exceptions import SanicException
    from sanic.response import text

    class Told(Exception):
        pass

    app = application(
        own=raising(SanicException("no", status_code=403)),
        unavailable=raising(SanicException("no", status_code=503)),
        other=raising(KeyError("a")),
        told=raising(Told()),
        worse=raising(LookupError()),
    )

    def worse(request: Any, error: Any) -> Any:
        raise ValueError

    app.exception(Told)(lambda request, error: text("told", status=400))
    app.error_handler.add(LookupError, worse)
    app.error_handler.add(KeyError, None)
    serve(app, *map(get, ("/own", "/unavailable", "/other", "/told", "/worse")))

    assert numbers.counts() == {
        "GET /own 403": 1,
        "GET /unavailable 503 503": 1,
        "GET /other 500 KeyError": 1,
        "GET /told 400": 1,
        "GET /worse 500 500": 1,
    }
    assert numbers.total("http.server.active_requests") == 0


def test_an_exception_is_an_error_only_where_its_answer_is(numbers: Numbers) -> None:
    """Middleware may make another one of Sanic's."""
    from sanic.response import redirect

    app = application(boom=raising(KeyError("a")))
    app.error_handler.add(KeyError, None)
    app.on_response(lambda _request, _response: redirect("/sorry"))
    serve(app, get("/boom"))

    assert numbers.counts() == {"GET /boom 302": 1}


def test_bodies_are_counted_as_they_pass(numbers: Numbers) -> None:
    """In chunks, streamed to the handler, not read at all; HEAD has none."""
    from sanic.response import text

    async def streamed(request: Any) -> Any:
        count = 0
        while (part := await request.stream.read()) is not None:
            count += len(part)
        return text(str(count))

    app = application(ok=ok)
    app.add_route(streamed, "/streamed", methods=["POST"], stream=True, name="streamed")
    chunks = f"POST /ok {HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    big = post("/streamed", b"b" * 70_000)
    answers = serve(app, post("/ok", b"a" * 1000), chunks.encode(), big, get("/ok", method="HEAD"))

    assert answers[2].endswith(b"70000")
    assert numbers.counts() == {
        "POST /ok 200": 2,
        "POST /streamed 200": 1,
        "HEAD /ok 200": 1,
    }
    assert numbers.sums("http.server.request.body.size") == {"/ok": 1005, "/streamed": 70_000}
    assert numbers.sums("http.server.response.body.size") == {"/ok": 4, "/streamed": 5}


def test_a_client_that_leaves_is_an_error_of_its_own(numbers: Numbers) -> None:
    """While it sends, while it waits, while it reads; nobody stays active."""

    async def wait(request: Any) -> None:
        await asyncio.Event().wait()

    async def endless(request: Any) -> None:
        response = await request.respond()
        while True:
            await response.send("more")
            await asyncio.sleep(0.001)

    def leaving(request: bytes, read: int = 0) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(request)
            await writer.drain()
            while numbers.total("http.server.active_requests") != 1:
                await asyncio.sleep(0.001)
            await reader.readexactly(read)
            writer.close()
            while numbers.total("http.server.active_requests"):
                await asyncio.sleep(0.001)

        return talk

    app = application(up=ok, wait=wait, endless=endless)
    half = post("/up", b"a" * 1000)[:-500]
    serve(app, leaving(half), leaving(get("/wait")), leaving(get("/endless"), 10))

    assert numbers.counts() == {
        "POST /up 499 client_disconnected": 1,
        "GET /wait 499 client_disconnected": 1,
        "GET /endless 200 client_disconnected": 1,
    }
    assert numbers.sums("http.server.request.body.size")["/up"] == 500


def test_what_cannot_be_read_is_refused_and_counted(numbers: Numbers) -> None:
    """Sanic answers 400 by itself, past every route."""
    app = application(ok=ok)
    wrong = f"POST /ok {HEAD}Expect: wonders\r\nContent-Length: 1\r\n\r\n".encode()
    answers = serve(app, b"garbage\r\n\r\n", wrong, get("/ok"))

    assert [answer[9:12] for answer in answers] == [b"400", b"417", b"200"]
    assert numbers.counts() == {
        "_OTHER unmatched 400": 1,
        "POST unmatched 417": 1,
        "GET /ok 200": 1,
    }


def test_requests_on_one_connection_count_each(numbers: Numbers) -> None:
    """Also when the second is sent before the first was answered."""
    first = get("/ok").replace(b"Connection: close\r\n", b"")
    (answers,) = serve(application(ok=ok), first + get("/none"))

    assert answers.count(b"HTTP/1.1 ") == 2
    assert numbers.counts() == {"GET /ok 200": 1, "GET unmatched 404": 1}


def test_a_request_that_is_made_by_hand_is_none_of_the_servers(numbers: Numbers) -> None:
    """Sanic's tests and those of programs give it no transport."""
    from sanic.request import Request

    request = Request(b"/", {}, "1.1", "GET", None, application(ok=ok))  # type: ignore[arg-type]

    assert request.path == "/"
    assert numbers.counts() == {}


def test_a_response_that_takes_too_long_is_sanics_503(numbers: Numbers) -> None:
    """Its own timeout, which is no exception of the handler."""

    async def slow(request: Any) -> None:
        await asyncio.sleep(60)

    app = application(slow=slow)
    app.config.RESPONSE_TIMEOUT = 0.1
    serve(app, get("/slow"))

    assert numbers.counts() == {"GET /slow 503 503": 1}


def test_a_stream_of_events_is_no_request(numbers: Numbers) -> None:
    """Its lifetime and its events are counted, none of it as latency."""

    async def events(request: Any) -> None:
        response = await request.respond(content_type="text/event-stream")
        for name in ("a", "b"):
            await response.send(f"event: {name}\ndata: 1\n\n")
        await response.eof()

    serve(application(events=events), get("/events"))

    assert numbers.counts() == {}
    assert numbers.counts("sse.connection.duration") == {"/events": 1}
    assert numbers.total("sse.events.sent") == 2
    assert numbers.total("http.server.active_requests") == 0


def test_what_runs_on_behind_the_response_is_no_part_of_it(numbers: Numbers) -> None:
    """A task of the application's, and what a handler does after the last byte."""

    seen = []

    def look() -> None:
        active = numbers.total("http.server.active_requests")
        seen.append((numbers.counts(), active, numbers.sums("http.server.request.duration")))

    async def after(request: Any) -> None:
        response = await request.respond()
        await response.send("ok", end_stream=True)
        request.app.add_task(asyncio.sleep(0.3))
        look()

    serve(application(after=after), get("/after"))
    look()

    assert seen[0] == seen[1]
    assert seen[0][:2] == ({"GET /after 200": 1}, 0)


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        ({"MONAGENT_EXCLUDED_URLS": "^/health"}, {"GET /ok 200": 1}),
        ({"MONAGENT_DISABLE": "http"}, {}),
    ],
)
def test_what_is_excluded_is_not_counted(
    numbers: Numbers, setting: dict[str, str], left: dict[str, int]
) -> None:
    """By URL, or all of the family."""
    settings.use(settings.load(setting))
    hooks.uninstall()
    hooks.install()
    serve(application(ok=ok, health=ok), get("/ok"), get("/health"))

    assert numbers.counts() == left


def test_the_scheme_is_that_of_the_proxy_in_front(numbers: Numbers) -> None:
    """As Sanic itself is told to believe it."""
    app = application(ok=ok)
    app.config.FORWARDED_SECRET = "secret"
    serve(app, get("/ok", "Forwarded: proto=https;secret=secret\r\nX-Request-Start: t=1\r\n"))

    (key,) = numbers.series("http.server.request.duration")
    assert dict(key)["url.scheme"] == "https"


@pytest.mark.swallows
def test_answers_are_the_same_when_measuring_fails(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of ours raises; nothing is kept of what was not finished."""
    from monagent import guard
    from monagent.conventions import http
    from monagent.conventions._exchange import Exchange
    from monagent.integrations import _sanic

    monkeypatch.setattr(http, "broken", False)  # and again so in the end

    def breaks(*_: Any, **__: Any) -> None:
        raise MemoryError

    app = application(ok=ok, fails=raising(KeyError("a")))
    refused = get("/ok", method="DELETE")
    asked = get("/ok"), get("/fails"), get("/none"), post("/ok", b"a" * 100), refused
    whole = serve(app, *asked)
    for owner, names in (
        (Exchange, ("__init__", "begin", "sent_all", "over")),
        (_sanic, ("begun", "sizes", "ended", "route_of", "lost", "raised", "exchange_of", "over")),
        (_sanic, ("of_other_methods",)),  # of the refused one
    ):
        for name in names:
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, breaks)

                assert serve(app, *asked) == whole
            guard.forget()

    assert _sanic.under_way == {}


def test_workers_count_together(tmp_path: Path) -> None:
    """Sanic's manager starts processes of their own; all requests are in the total."""
    options = ("-m", "sanic", "sanic_workers:app", "--workers", "2", "--no-access-logs", "--port")
    each_request_counts_once(options, tmp_path, 60)
