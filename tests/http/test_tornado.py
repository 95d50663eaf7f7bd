"""Tornado's server: routes by rule, every ending of a request, whatever it serves."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any
from unittest.mock import Mock

import pytest

from monagent import settings
from monagent.instrument import hooks
from monagent.integrations._tornado_routes import readable
from tests.http.numbers import Numbers
from tests.http.serve_tornado import HEAD, Talk, answering, get, handling, post, serve

pytest.importorskip("tornado")


@pytest.mark.parametrize(
    ("pattern", "route"),
    [
        (r"/items/([0-9]+)$", "/items/{}"),
        (r"^/items/(?P<id>[^/)]+)/(?P<part>\w+)", "/items/{id}/{part}"),
        (r"/\-\./x\$", "/-./x$"),
        (r"/static/(.*)", "/static/{}"),
        (r"/((a|b)/c)/([()]]*)", "/{}/{}"),
        (r"/(?:v1|v2)/(\d+)", "/(?:v1|v2)/{}"),
        (r"/any/.*", "/any/.*"),
        (r"/[a-z\]]{2}\d", r"/[a-z\]]{2}\d"),
    ],
)
def test_a_pattern_reads_like_a_template(pattern: str, route: str) -> None:
    """Groups by name, anchors and escapes gone, other syntax as it stands."""
    assert readable(pattern) == route


def test_the_innermost_rule_that_looks_at_the_path_is_the_route(numbers: Numbers) -> None:
    """Routers in routers match the whole path each; hosts are no routes."""
    from tornado.routing import HostMatches, Router, Rule, RuleRouter
    from tornado.web import Application

    hosted = Application([(HostMatches("here"), [(r"/a/(\d+)", answering())])])
    bare = Application([(HostMatches("here"), answering())])

    class Own(Router):
        def find_handler(self, request: Any, **_: Any) -> Any:
            return bare.get_handler_delegate(request, answering())

    app = RuleRouter(
        [
            (r"/api/.*", RuleRouter([(r"/api/(?P<n>\d+)", hosted), (r"/api/x", answering)])),
            (r"/a/.*", hosted),
            (r"/own", Own()),
            Rule(HostMatches("here"), bare),
        ]
    )
    serve(app, *map(get, ("/a/1", "/a/2", "/a/none", "/api/7", "/own", "/b")))

    assert numbers.counts() == {
        "GET /a/{} 200": 2,
        "GET unmatched 404": 2,
        "GET /own 200": 1,
        "GET * 200": 1,
    }


@pytest.mark.parametrize(
    ("raised", "recorded"),
    [
        ("HTTPError(403)", "GET /x 403"),
        ("HTTPError(503)", "GET /x 503 503"),
        ("MissingArgumentError('a')", "GET /x 400"),
        ("Finish()", "GET /x 200"),
        ("KeyError('a')", "GET /x 500 KeyError"),
        ("asyncio.CancelledError()", "GET /x 500 asyncio.exceptions.CancelledError"),
    ],
)
def test_an_exception_has_its_status_and_counts_once(
    numbers: Numbers, raised: str, recorded: str
) -> None:
    """Tornado's own say their status; others are a 500 of their class."""
    import tornado
    from tornado import web

    if "Cancelled" in raised and tornado.version_info < (6, 6):
        pytest.skip("answers nothing, so the client leaves")
    error = eval(raised, {**vars(web), "asyncio": asyncio})

    def fails(_: Any) -> None:
        raise error

    serve(web.Application([(r"/x", handling(fails))]), get("/x"))

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_an_exception_is_an_error_only_where_its_answer_is(numbers: Numbers) -> None:
    """`write_error` may send another one; behind the headers nobody can."""
    from tornado import web

    class Fails(web.RequestHandler):
        async def get(self) -> None:
            if self.get_argument("late", ""):
                await self.flush()
            raise KeyError

        def write_error(self, *_: Any, **__: Any) -> None:
            self.redirect("/sorry")

    serve(web.Application([("/x", Fails)]), get("/x"), get("/x?late=1"))

    assert numbers.counts() == {"GET /x 302": 1, "GET /x 200 KeyError": 1}


def test_bodies_are_counted_as_received(numbers: Numbers) -> None:
    """Of a declared length, in chunks, streamed to the handler, packed, and by a function."""
    from tornado.web import Application, RequestHandler, stream_request_body

    @stream_request_body
    class Streamed(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            pass

        def post(self) -> None:
            pass

    def function(request: Any) -> None:
        from tornado.httputil import HTTPHeaders, ResponseStartLine

        line = ResponseStartLine("HTTP/1.1", 200, "OK")
        request.connection.write_headers(line, HTTPHeaders({"Content-Length": "2"}), b"ok")
        request.connection.finish()

    app = Application([(r"/whole", answering()), (r"/streamed", Streamed)])
    packed = gzip.compress(b"a" * 10_000)
    chunks = f"POST /whole {HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    serve(app, post("/whole", b"a" * 1000), chunks.encode(), post("/streamed", b"b" * 70_000))
    zipped = "Content-Encoding: gzip\r\n"
    in_chunks = f"POST /whole {HEAD}Transfer-Encoding: chunked\r\n{zipped}\r\n".encode()
    for piece in (packed[:20], packed[20:], b""):
        in_chunks += b"%x\r\n%b\r\n" % (len(piece), piece)
    sent = (post("/whole", packed, zipped), in_chunks, post("/whole", b"abc"))
    serve(app, *sent, decompress_request=True)
    serve(app, in_chunks, decompress_request=True, xheaders=True)
    serve(function, post("/f", b"abcd"))
    serve(function, in_chunks, decompress_request=True)

    assert numbers.sums("http.server.request.body.size") == {
        "/whole": 1000 + 5 + 3 + 3 * len(packed),
        "/streamed": 70_000,
        "unmatched": 4 + len(packed),
    }
    assert numbers.counts() == {
        "POST /whole 200": 6,
        "POST /streamed 200": 1,
        "POST unmatched 200": 2,
    }


def test_head_and_conditional_requests_have_no_body(numbers: Numbers) -> None:
    """Neither counts what the handler would have written."""
    from tornado.web import Application

    handler = answering("hello")
    handler.head = handler.get
    app = Application([(r"/x", handler)])
    (head, whole) = serve(app, get("/x", method="HEAD"), get("/x"))
    etag = whole.decode().partition("Etag: ")[2].partition("\r\n")[0]
    serve(app, get("/x", f"If-None-Match: {etag}\r\n"))

    assert head.endswith(b"\r\n\r\n")
    assert numbers.counts() == {"HEAD /x 200": 1, "GET /x 200": 1, "GET /x 304": 1}
    assert numbers.sums("http.server.response.body.size") == {"/x": 5}


def test_a_client_that_leaves_is_an_error_of_its_own(numbers: Numbers) -> None:
    """While it sends, while it waits, while it reads; nobody stays active."""
    from tornado.web import Application

    waits = asyncio.Event()

    async def wait(_: Any) -> None:
        await waits.wait()

    async def endless(handler: Any) -> None:
        while True:
            handler.write("more")
            await handler.flush()
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

    app = Application([(r"/up", answering()), (r"/w", handling(wait)), (r"/e", handling(endless))])
    half = post("/up", b"a" * 1000)[:-500]
    serve(app, leaving(half), leaving(get("/w")), leaving(get("/e"), 10))

    assert numbers.counts() == {
        "POST /up 499 client_disconnected": 1,
        "GET /w 499 client_disconnected": 1,
        "GET /e 200 client_disconnected": 1,
    }
    assert numbers.sums("http.server.request.body.size")["/up"] == 500


def test_what_is_no_http_after_its_headers_is_a_400(numbers: Numbers) -> None:
    """Tornado refuses it by itself, past every handler."""
    from tornado.web import Application

    wrong = f"POST /x {HEAD}Content-Length: 1,2\r\n\r\nabc".encode()
    (answer,) = serve(Application([(r"/x", answering())]), wrong)

    assert answer.startswith(b"HTTP/1.1 400")
    assert numbers.counts() == {"POST /x 400": 1}


def test_a_handler_that_breaks_its_promise_of_a_length(numbers: Numbers) -> None:
    """Tornado closes the connection; that was not the client."""
    from tornado.web import Application

    def lies(handler: Any) -> None:
        handler.set_header("Content-Length", "5")
        handler.write("ab")

    serve(Application([(r"/x", handling(lies))]), get("/x"))

    ((label, count),) = numbers.counts().items()
    assert (label.endswith("tornado.httputil.HTTPOutputError"), count) == (True, 1)
    assert numbers.total("http.server.active_requests") == 0


def test_requests_on_one_connection_count_each(numbers: Numbers) -> None:
    """Also when the second is sent before the first was answered."""
    from tornado.web import Application

    first = get("/x").replace(b"Connection: close\r\n", b"")
    (answers,) = serve(Application([(r"/x", answering())]), first + get("/y"))

    assert answers.count(b"HTTP/1.1 ") == 2
    assert numbers.counts() == {"GET /x 200": 1, "GET unmatched 404": 1}


def test_a_wsgi_application_inside_says_its_route(numbers: Numbers) -> None:
    """Counted once, by Tornado, with the rule of Flask; alone and behind a rule."""
    from flask import Flask
    from tornado.web import Application, FallbackHandler
    from tornado.wsgi import WSGIContainer

    flask = Flask("inside")
    flask.add_url_rule("/in/<int:n>", "number", lambda n: f"{n}")
    flask.add_url_rule("/in/fail", "fail", lambda: str(1 // 0))
    container = WSGIContainer(flask)
    mixed = Application([(r"/in/.*", FallbackHandler, {"fallback": container})])
    serve(container, get("/in/1"), get("/none"))
    serve(mixed, get("/in/2"), get("/in/fail"), get("/in/none"))

    assert numbers.counts() == {
        "GET /in/<int:n> 200": 2,
        "GET unmatched 404": 1,
        "GET /in/fail 500 ZeroDivisionError": 1,
        "GET /in/.* 404": 1,
    }


def test_a_stream_of_events_is_no_request(numbers: Numbers) -> None:
    """Its lifetime and its events are counted, none of it as latency."""
    from tornado.web import Application

    async def events(handler: Any) -> None:
        handler.set_header("Content-Type", "text/event-stream")
        for name in ("a", "b"):
            handler.write(f"event: {name}\ndata: 1\n\n")
            await handler.flush()

    serve(Application([(r"/events", handling(events))]), get("/events"))

    assert numbers.counts() == {}
    assert numbers.counts("sse.connection.duration") == {"/events": 1}
    assert numbers.total("sse.events.sent") == 2
    assert numbers.total("sse.connections.active") == 0
    assert numbers.total("http.server.active_requests") == 0


def test_the_scheme_is_that_of_the_proxy_in_front(numbers: Numbers) -> None:
    """As Tornado itself is told to believe it; the time in its queue is read as well."""
    from tornado.web import Application

    app = Application([(r"/x", answering())])
    forwarded = get("/x", "X-Forwarded-Proto: https\r\nx-request-start: t=1\r\n")
    serve(app, forwarded, xheaders=True)
    serve(app, forwarded)

    schemes = [dict(key)["url.scheme"] for key in numbers.series("http.server.request.duration")]
    assert sorted(schemes) == ["http", "https"]


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        ({"MONAGENT_EXCLUDED_URLS": "^/health"}, {"GET /x 200": 1}),
        ({"MONAGENT_EXCLUDED_URLS": "here/x"}, {"GET /health 200": 1}),
        ({"MONAGENT_DISABLE": "http"}, {}),
    ],
)
def test_what_is_excluded_is_not_counted(
    numbers: Numbers, setting: dict[str, str], left: dict[str, int]
) -> None:
    """By URL, or all of the family; a WSGI application inside does not count in its stead."""
    from flask import Flask
    from tornado.wsgi import WSGIContainer

    settings.use(settings.load(setting))
    hooks.uninstall()
    hooks.install()
    flask = Flask("inside")
    for path in ("/health", "/x"):
        flask.add_url_rule(path, path, lambda: "ok")
    serve(WSGIContainer(flask), get("/health"), get("/x"))

    assert numbers.counts() == left


def test_a_request_made_by_hand_counts_nothing(numbers: Numbers) -> None:
    """As tests of handlers do, with a connection that is none."""
    from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
    from tornado.web import Application

    line = RequestStartLine("GET", "/x", "HTTP/1.1")
    connection = Mock()
    connection.context.protocol = "http"
    headers = HTTPHeaders({"Host": "here"})
    request = HTTPServerRequest(start_line=line, headers=headers, connection=connection)
    app = Application([(r"/x", answering())])

    async def main() -> None:
        app(request)
        await asyncio.sleep(0)

    asyncio.run(main())

    assert numbers.counts() == {}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.swallows
def test_answers_are_the_same_when_measuring_fails(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of ours raises."""
    from tornado.web import Application

    from monagent import guard
    from monagent.conventions import http
    from monagent.conventions._exchange import Exchange
    from monagent.integrations import _tornado_routes, _tornado_server

    monkeypatch.setattr(http, "broken", False)  # and again so in the end

    def breaks(*_: Any, **__: Any) -> None:
        raise MemoryError

    def fails(_: Any) -> None:
        raise KeyError

    def answers() -> list[list[bytes]]:
        _tornado_routes._templates.clear()
        app = Application([(r"/x", answering()), (r"/fails", handling(fails))])
        found = serve(app, get("/x"), get("/fails"), get("/none"), post("/x", b"a" * 100))
        return [[line for line in one.splitlines() if b"Date" not in line] for one in found]

    whole = answers()
    for owner, names in (
        (Exchange, ("__init__", "begin", "wrote", "sent_all", "over")),
        (_tornado_server, ("broke", "cut_short", "error_type", "perf_counter")),
        (_tornado_routes, ("taken", "readable")),
    ):
        for name in names:
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, breaks)

                assert answers() == whole
            guard.forget()
