"""WSGI applications: servers see what they look for, and every request counts once."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from monagent.integrations._wsgi import measured
from tests.http.numbers import Numbers

App = Callable[[dict[str, Any], Any], Any]


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with a list of one."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def call(app: App, method: str = "GET", **environ: Any) -> tuple[str, bytes]:
    """Status and body, read the way servers read."""
    said: list[str] = []
    body: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        said.append(status)
        return body.append

    given = {"REQUEST_METHOD": method, "wsgi.url_scheme": "http", "PATH_INFO": "/", **environ}
    answer = app(given, start_response)
    try:
        body.extend(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return said[-1], b"".join(body)


def test_an_answered_request_is_in_every_metric_once(numbers: Numbers) -> None:
    """Duration, sizes and first byte have one each; nobody is active."""
    assert call(measured(hello), "POST", CONTENT_LENGTH="7") == ("200 OK", b"hello")

    for name in ("http.server.request.duration", "http.server.time_to_first_byte"):
        assert numbers.counts(name) == {"POST unmatched 200": 1}
    assert numbers.sums("http.server.request.body.size") == {"unmatched": 7}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 5}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_keeps_its_length_and_its_type(numbers: Numbers, kind: type) -> None:
    """From which servers infer Content-Length, or what to join."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return kind([b"a", b"b"])

    body = measured(app)({"REQUEST_METHOD": "GET"}, lambda *args: None)

    assert isinstance(body, kind)
    assert len(body) == 2  # type: ignore[arg-type]
    assert b"".join(body) == b"ab"
    assert body == kind([b"a", b"b"])


def test_a_list_that_nobody_iterates_over_is_recorded_when_it_goes(numbers: Numbers) -> None:
    """Servers in C join it and call no close."""
    body: Any = measured(hello)({"REQUEST_METHOD": "GET"}, lambda *args: None)
    assert numbers.counts() == {}
    del body

    assert numbers.counts() == {"GET unmatched 200": 1}


def test_any_other_iterable_is_handed_through_and_closed_once(numbers: Numbers) -> None:
    """Item by item, with its length and its attributes if it has some."""
    closed = []

    class Body:
        extra = "extra"

        def __iter__(self) -> Iterator[bytes]:
            yield from (b"a", b"", b"bc")

        def __len__(self) -> int:
            return 3

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    body: Any = measured(app)({"REQUEST_METHOD": "GET"}, lambda *args: None)
    assert (len(body), body.extra) == (3, "extra")
    assert list(body) == [b"a", b"", b"bc"]
    assert numbers.counts() == {"GET unmatched 200": 1}
    body.close()

    assert closed == [True]
    assert numbers.counts() == {"GET unmatched 200": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 3}


def test_what_is_written_counts(numbers: Numbers) -> None:
    """The callable that start_response returns still writes."""

    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("201 Created", [])
        write(b"abc")
        return [b"d"]

    assert call(measured(app)) == ("201 Created", b"abcd")
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 4}
    assert numbers.counts() == {"GET unmatched 201": 1}


def test_headers_replaced_after_an_error_give_the_last_status(numbers: Numbers) -> None:
    """start_response(…, exc_info), with the very exc_info."""
    seen = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        start_response("500 Oops", [], ("exc_info",))
        return [b""]

    measured(app)({"REQUEST_METHOD": "GET"}, lambda *args: seen.append(args))

    assert seen == [("200 OK", []), ("500 Oops", [], ("exc_info",))]
    assert numbers.counts() == {"GET unmatched 500 500": 1}


def broken(at: str) -> App:
    """An application that fails at some point."""

    def app(environ: Any, start_response: Any) -> Any:
        if at == "call":
            raise LookupError
        start_response("200 OK", [])

        def body() -> Iterator[bytes]:
            if at == "second":
                yield b"a"
            raise LookupError

        return body()

    return app


@pytest.mark.parametrize(
    ("at", "recorded"),
    [
        ("call", "GET unmatched 500 LookupError"),
        ("first", "GET unmatched 500 LookupError"),
        ("second", "GET unmatched 200 LookupError"),
    ],
)
def test_an_exception_has_its_status_and_its_type(numbers: Numbers, at: str, recorded: str) -> None:
    """500 as long as nothing was sent, the sent status afterwards."""
    with pytest.raises(LookupError):
        call(measured(broken(at)))

    assert numbers.counts() == {recorded: 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_body_that_is_closed_half_read_is_a_client_that_left(numbers: Numbers) -> None:
    """What servers do when they cannot write any more."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return iter([b"a", b"b"])

    body: Any = measured(app)({"REQUEST_METHOD": "GET"}, lambda *args: None)
    next(body)
    body.close()

    assert numbers.counts() == {"GET unmatched 200 client_disconnected": 1}


def test_a_body_that_no_server_reads_is_no_error(numbers: Numbers) -> None:
    """HEAD and 304."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("304 Not Modified", [])
        return iter([b"a"])

    body: Any = measured(app)({"REQUEST_METHOD": "GET"}, lambda *args: None)
    body.close()

    assert numbers.counts() == {"GET unmatched 304": 1}


def test_a_chunked_request_is_counted_as_it_is_read(numbers: Numbers) -> None:
    """Without a declared length."""

    def app(environ: Any, start_response: Any) -> Any:
        source = environ["wsgi.input"]
        got = source.read(4) + source.readline() + b"".join(source.readlines())
        start_response("200 OK", [])
        return [got]

    text = b"abcdef\nghi\njkl"
    answer = call(
        measured(app), "POST", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": io.BytesIO(text)}
    )

    assert answer == ("200 OK", text)
    assert numbers.sums("http.server.request.body.size") == {"unmatched": len(text)}


def test_events_are_a_stream(numbers: Numbers) -> None:
    """No request, but a connection with events."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        assert numbers.total("http.server.active_requests") == 0
        assert numbers.total("sse.connections.active") == 1
        yield b"data: 1\n\n"

    call(measured(app))

    assert numbers.counts() == {}
    assert numbers.total("sse.events.sent") == 1
    assert numbers.total("sse.connections.active") == 0


def test_queue_time_is_read_from_the_environ(numbers: Numbers) -> None:
    """As proxies in front of WSGI servers write it."""
    call(measured(hello), HTTP_X_REQUEST_START="t=4000000000")

    (cells,) = numbers.series("http.server.request.queue.duration").values()
    assert cells[:2] == [0, 1]


def raw(port: int, request: bytes) -> bytes:
    """Everything a server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def serve() -> Iterator[Callable[[App], WSGIServer]]:
    """Serves applications with wsgiref, which is hooked by itself."""
    servers: list[tuple[WSGIServer, threading.Thread]] = []

    def start(app: App) -> WSGIServer:
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_wsgiref_serves_the_same_bytes(numbers: Numbers, serve: Any) -> None:
    """A list of one keeps its Content-Length, and the request counts once."""
    port = serve(hello).server_port
    answer = raw(port, b"GET / HTTP/1.0\r\n\r\n")

    assert b"\r\nContent-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\nhello")
    assert numbers.counts() == {"GET unmatched 200": 1}


def test_start_response_and_write_refuse_what_the_servers_own_refuse(numbers: Numbers) -> None:
    """Too few arguments, too many, and a body that is text."""
    seen: list[type] = []

    starts: tuple[tuple[Any, ...], ...] = ((), ("200 OK",), ("200 OK", [], None, 1))
    parts: tuple[tuple[Any, ...], ...] = ((), ("text",), (b"", b""))

    def app(environ: Any, start_response: Any) -> list[bytes]:
        for arguments in starts:
            with pytest.raises(TypeError) as wrong:
                start_response(*arguments)
            seen.append(wrong.type)
        write = start_response("200 OK", [])
        for arguments in parts:
            with pytest.raises(TypeError) as wrong:
                write(*arguments)
            seen.append(wrong.type)
        write(b"abc")
        return [b"de"]

    sent: list[bytes] = []

    def server(status: str, headers: Any, exc_info: Any = None) -> Any:
        return lambda data: sent.append(b"" + data)

    for each in (app, measured(app)):
        body: Any = each({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}, server)
        sent += body
        getattr(body, "close", lambda: None)()

    assert sent == [b"abc", b"de"] * 2
    assert len(seen) == 12
    assert numbers.counts() == {"GET unmatched 200": 1}
