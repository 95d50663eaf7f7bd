"""Tornado's server in front of what is no application of Tornado's: delegates, status lines."""

from __future__ import annotations

import asyncio
import gc
import gzip
import weakref
from typing import Any

import pytest

from monagent.integrations import _tornado_delegate
from tests.http.numbers import Numbers
from tests.http.serve_tornado import HEAD, answering, get, post, serve

pytest.importorskip("tornado")

ACTIVE = "http.server.active_requests"


def delegating(act: Any = None, start: Any = None) -> Any:
    """An application that answers by Tornado's low-level API, or hands `start_request` on."""
    from tornado import httputil

    class Message(httputil.HTTPMessageDelegate):
        def __init__(self, connection: Any) -> None:
            self.connection, self.line, self.body = connection, None, b""

        def headers_received(self, start_line: Any, headers: Any) -> None:
            self.line = start_line

        def data_received(self, chunk: bytes) -> None:
            self.body += chunk

        def finish(self) -> None:
            (act or respond)(self)

    class Own(httputil.HTTPServerConnectionDelegate):
        def start_request(self, server_conn: Any, request_conn: Any) -> Any:
            return start(server_conn, request_conn) if start else Message(request_conn)

    return Own()


def respond(message: Any, status: int = 200) -> None:
    """Answer with what was received."""
    from tornado.httputil import HTTPHeaders, ResponseStartLine

    headers = HTTPHeaders({"Content-Length": str(len(message.body))})
    line = ResponseStartLine("HTTP/1.1", status, "-")
    message.connection.write_headers(line, headers, message.body)
    message.connection.finish()


def test_a_delegate_of_the_applications_own_is_measured(numbers: Numbers) -> None:
    """Without a route, by what it answers; one that raises, and one whose client leaves."""

    def act(message: Any) -> None:
        if "fail" in message.line.path:
            raise KeyError
        respond(message, 404 if "none" in message.line.path else 200)

    app = delegating(act)
    answers = serve(app, get("/x"), get("/none"), get("/fail"), post("/x", b"abc"))

    assert answers[3].endswith(b"\r\n\r\nabc")
    assert numbers.counts() == {
        "GET unmatched 200": 1,
        "GET unmatched 404": 1,
        "GET unmatched 500 KeyError": 1,
        "POST unmatched 200": 1,
    }

    half = f"POST /x {HEAD}Content-Length: 9\r\n\r\nab".encode()

    async def leaves(_: Any, writer: Any) -> None:
        writer.write(half)
        while numbers.total(ACTIVE) != 1:
            await asyncio.sleep(0.001)
        writer.close()
        while numbers.total(ACTIVE):
            await asyncio.sleep(0.001)

    serve(app, leaves)

    assert numbers.counts()["POST unmatched 499 client_disconnected"] == 1
    assert numbers.total(ACTIVE) == 0


def test_a_delegate_of_the_applications_own_gets_bodies_counted_as_received(
    numbers: Numbers,
) -> None:
    """Once, whether it is packed, behind a proxy, or for an application of Tornado's behind it."""
    from tornado.web import Application

    packed = gzip.compress(b"a" * 10_000)
    zipped = post("/x", packed, "Content-Encoding: gzip\r\nX-Forwarded-Proto: https\r\n")
    for more in ({}, {"xheaders": True}):
        (answer,) = serve(delegating(), zipped, decompress_request=True, **more)
        assert len(answer.partition(b"\r\n\r\n")[2]) == 10_000
    behind = Application([(r"/(x)", answering())])
    serve(delegating(start=behind.start_request), zipped, decompress_request=True)
    serve(delegating(start=behind.start_request), post("/x", b"abc"))

    assert numbers.counts() == {"POST unmatched 200": 2, "POST /{} 200": 2}
    assert numbers.sums("http.server.request.body.size") == {
        "unmatched": 2 * len(packed),
        "/{}": len(packed) + 3,
    }
    schemes = {dict(key)["url.scheme"] for key in numbers.series("http.server.request.duration")}
    assert schemes == {"http", "https"}


def test_a_server_with_a_way_of_its_own_is_measured(numbers: Numbers) -> None:
    """A class derived from Tornado's that takes requests past it."""
    from tornado.httpserver import HTTPServer
    from tornado.web import Application

    asked = []
    seen: list[weakref.ref[Any]] = []

    class Server(HTTPServer):
        def start_request(self, server_conn: Any, request_conn: Any) -> Any:
            asked.append(self.request_callback)
            message = delegating().start_request(server_conn, request_conn)
            seen.append(weakref.ref(message))
            return message

    app = Application()
    gc.disable()
    try:
        serve(app, get("/x"), kind=Server)
        freed = seen[0]() is None
    finally:
        gc.enable()

    assert asked[0] is app
    assert freed
    assert numbers.counts() == {"GET unmatched 200": 1}


def test_the_ordinary_way_has_nobody_in_front(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Applications and functions."""
    from tornado.web import Application

    monkeypatch.setattr(_tornado_delegate, "Seen", None)
    serve(Application([(r"/x", answering())]), get("/x"))
    serve(respond, post("/x", b"abc"))

    assert numbers.counts() == {"GET /x 200": 1, "POST unmatched 200": 1}


@pytest.mark.swallows
@pytest.mark.parametrize("breaks", ["goes_through_tornado", "Seen"])
def test_a_delegate_answers_whatever_of_ours_fails(
    breaks: str, numbers: Numbers, swallowed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked as without anybody in front."""
    from monagent.conventions import http

    monkeypatch.setattr(http, "broken", False)
    monkeypatch.setattr(_tornado_delegate, breaks, None)
    (answer,) = serve(delegating(), post("/x", b"abc"))

    assert answer.endswith(b"\r\n\r\nabc")
    assert swallowed


def test_a_status_line_that_the_application_writes_is_the_answers(numbers: Numbers) -> None:
    """In place of `write_headers`, which Tornado allows; the head is no part of the body."""
    heads = {
        "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "/bad": b"HTTP/1.0 404\r\nContent-Length: 5\r\n\r\n",
        "/early": b"HTTP/1.1 100 Continue\r\n\r\n",
        "/odd": b"HTTP/1.1 what\r\nContent-Length: 5\r\n\r\n",
        "/none": b"hello",
    }

    def answers(request: Any) -> None:
        request.connection.write(heads[request.path])
        if request.path == "/early":
            request.connection.write(heads["/bad"])
        request.connection.write(b"hello")
        request.connection.finish()

    found = serve(answers, *map(get, heads))

    assert found[0] == heads["/ok"] + b"hello"
    assert numbers.counts() == {
        "GET unmatched 200": 1,
        "GET unmatched 404": 2,
        "GET unmatched 500 500": 2,
    }
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 5 * 5 + 5}
