"""What applications do to the letter of PEP 3333, or beside it, and servers take all the same."""

from __future__ import annotations

import gc
import io
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest

from monagent import guard
from monagent.conventions import http
from monagent.conventions._exchange import KEY
from monagent.integrations import _by_path, _wsgi
from monagent.integrations._wsgi import measured
from tests.http.numbers import Numbers
from tests.http.test_wsgi import App, call, hello


def by_path(app: App) -> App:
    """As where paths are routes."""
    bound: App = _wsgi.measured_method(_by_path.wsgi).__get__(app)
    return bound


@pytest.mark.parametrize("measured", [measured, by_path])
def test_exc_info_may_be_said_by_its_name(measured: Callable[[App], App], numbers: Numbers) -> None:
    """As it is called in PEP 3333 and in every server."""
    seen = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise LookupError
        except LookupError:
            start_response(status="500 Oops", headers=[], exc_info=sys.exc_info())
        return [b"oops"]

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen.append((status, headers, exc_info[0]))

    list(measured(app)({"REQUEST_METHOD": "GET"}, start_response))

    assert seen == [("500 Oops", [], LookupError)]
    assert list(numbers.counts().values()) == [1]
    assert next(iter(numbers.counts())).endswith("500 LookupError")


@pytest.mark.parametrize(
    "kind", [iter, lambda pairs: map(tuple, pairs), lambda pairs: dict(pairs).items()]
)
def test_headers_that_can_be_read_once_are_left_to_the_server(
    numbers: Numbers, kind: Callable[[Any], Any]
) -> None:
    """gunicorn, waitress and werkzeug take any iterable."""
    pairs = [("X-First", "1"), ("Content-Type", "text/plain"), ("X-Last", "3")]
    sent: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", kind(pairs))
        return [b"ok"]

    list(measured(app)({"REQUEST_METHOD": "GET"}, lambda status, headers: sent.extend(headers)))

    assert sent == pairs
    assert numbers.counts() == {"GET unmatched 200": 1}


def test_a_body_with_a_length_is_read_as_often_as_the_server_likes(numbers: Numbers) -> None:
    """gevent's adds up the lengths before it sends anything, others look at the first item."""

    def app(environ: Any, start_response: Any) -> deque[bytes]:
        start_response("200 OK", [])
        return deque((b"ab", b"cde"))

    for looks in (0, 1):
        body: Any = measured(app)({"REQUEST_METHOD": "GET"}, lambda *args: None)
        if looks:
            assert next(iter(body)) == b"ab"
        assert sum(len(item) for item in body) == 5
        assert list(body) == [b"ab", b"cde"]
        body.close()

    assert numbers.counts() == {"GET unmatched 200": 2}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 10}


def test_a_socket_that_the_application_has_kept_is_left_to_it(numbers: Numbers) -> None:
    """gunicorn's ALREADY_HANDLED is recognised by what it is."""
    already_handled: Any = object()
    app = measured(lambda environ, start_response: already_handled)

    assert app({"REQUEST_METHOD": "GET"}, lambda *args: None) is already_handled
    assert numbers.counts() == {}
    assert numbers.total("http.server.active_requests") == 0


def strict(app: App, environ: dict[str, Any]) -> None:
    """Reads an answer and refuses what is no bytes, as servers do."""
    body = app(environ, lambda *args: None)
    try:
        for item in body:
            if not isinstance(item, bytes):
                raise AssertionError("bytes, please")
    finally:
        if hasattr(body, "close"):
            body.close()


@pytest.mark.parametrize(
    ("body", "recorded"),
    [
        (["text"], "500 TypeError"),
        ([None], "500 TypeError"),
        ([b"a", 1], "200 TypeError"),
        (deque(["text"]), "500 TypeError"),
        (b"bytes", "500 TypeError"),
        (iter([b"a", "text"]), "200 TypeError"),
    ],
    ids=repr,
)
def test_what_is_no_bytes_is_the_applications_error(
    numbers: Numbers, body: Any, recorded: str
) -> None:
    """Neither a client that left nor a failure of ours."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    with pytest.raises(AssertionError):
        strict(measured(app), {"REQUEST_METHOD": "GET"})

    assert numbers.counts() == {f"GET unmatched {recorded}": 1}
    assert numbers.total("http.server.active_requests") == 0


@pytest.mark.parametrize(
    "said",
    [
        ("weird", []),
        (200, []),
        ("200 OK", [("Content-Type", b"text/plain")]),
        ("200 OK", [("X-A", "a", "b")]),
        ("200 OK", [(1, "a")]),
        ("200 OK", None),
    ],
    ids=repr,
)
def test_what_servers_refuse_is_no_failure_of_ours(numbers: Numbers, said: Any) -> None:
    """Twenty of these would switch the family off."""
    seen = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(*said)
        return [b"x"]

    for around in (measured, by_path):
        list(around(app)({"REQUEST_METHOD": "GET"}, lambda *args: seen.append(args)))

    assert seen == [said, said]
    assert guard.counts.get("http", 0) == 0
    assert sum(numbers.counts().values()) == 2


@pytest.mark.parametrize("body", [[b"a", b"b"], iter([b"a", b"b"])], ids=["list", "iterator"])
def test_an_application_that_says_no_status_has_failed(numbers: Numbers, body: Any) -> None:
    """The server notices at the first item and stops, but no client has left."""
    answer = measured(lambda environ, start_response: body)(
        {"REQUEST_METHOD": "GET"}, lambda *args: None
    )
    assert next(iter(answer)) == b"a"
    close = getattr(answer, "close")  # noqa: B009  # lists have none, says the type
    close()

    assert numbers.counts() == {"GET unmatched 500 500": 1}


def test_a_status_that_comes_too_late_is_not_the_clients(numbers: Numbers) -> None:
    """The headers are gone, so the server raises what it is given."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        try:
            raise LookupError
        except LookupError:
            start_response("500 Oops", [], sys.exc_info())

    def refusing(status: str, headers: Any, exc_info: Any = None) -> None:
        if exc_info:
            raise exc_info[1]

    with pytest.raises(LookupError):
        list(measured(app)({"REQUEST_METHOD": "GET"}, refusing))

    assert numbers.counts() == {"GET unmatched 200 LookupError": 1}


def test_a_compressed_stream_of_events_counts_as_a_stream_alone(numbers: Numbers) -> None:
    """Nobody can tell its events."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        kind = ("Content-Type", "text/event-stream")
        start_response("200 OK", [kind, ("Content-Encoding", "gzip")])
        yield b"a: b\n\nevent:\x8b\n\n"

    call(measured(app))

    assert numbers.total("sse.events.sent") == 0
    assert numbers.counts("sse.connection.duration") == {"unmatched": 1}


def test_an_environ_is_used_for_one_request_after_another(numbers: Numbers) -> None:
    """As WebOb's requests do; also one that was pickled counts."""
    app = measured(hello)
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    for _ in range(3):
        assert b"".join(app(environ, lambda *args: None)) == b"hello"
    kept = pickle.loads(pickle.dumps(environ))
    assert kept[KEY] is None
    assert b"".join(app(kept, lambda *args: None)) == b"hello"

    assert numbers.counts() == {"GET unmatched 200": 4}


def test_an_excluded_environ_stays_excluded(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often an application reuses it."""
    monkeypatch.setattr(http, "excluder", lambda: lambda scheme, host, path: True)
    app = measured(hello)
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    for _ in range(2):
        assert b"".join(app(environ, lambda *args: None)) == b"hello"

    assert numbers.counts() == {}


@pytest.mark.parametrize("length", ["9" * 400, "9" * 5000, "\xb2", "-1", "1e9"])
def test_an_incredible_length_is_not_believed(numbers: Numbers, length: str) -> None:
    """Anybody can send one; what counts is what is read."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        assert environ["CONTENT_LENGTH"] == length
        environ["wsgi.input"].read(3)
        start_response("200 OK", [])
        return [b"ok"]

    call(measured(app), "POST", CONTENT_LENGTH=length, **{"wsgi.input": io.BytesIO(b"abcde")})

    assert numbers.counts() == {"POST unmatched 200": 1}
    assert numbers.sums("http.server.request.body.size") == {"unmatched": 3}


def test_a_body_without_a_length_is_used_like_a_file(numbers: Numbers) -> None:
    """Some read it by lines, into a buffer, or leave it by a with-statement."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        with environ["wsgi.input"] as source:
            first = next(source)
            rest = bytearray(10)
            size = source.readinto(rest)
        assert source.closed
        start_response("200 OK", [])
        return [first, bytes(rest[:size])]

    text = b"abc\ndef"
    environ = {"wsgi.input": io.BytesIO(text), "HTTP_TRANSFER_ENCODING": "chunked"}
    assert call(measured(app), "POST", **environ) == ("200 OK", text)

    assert numbers.sums("http.server.request.body.size") == {"unmatched": len(text)}


def test_a_with_statement_is_refused_where_the_servers_body_refuses_it(numbers: Numbers) -> None:
    """gunicorn's has no `__enter__`."""

    class Body:
        read = readline = readlines = io.BytesIO(b"abc").read

    def app(environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises(TypeError), environ["wsgi.input"]:
            pass
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    environ = {"wsgi.input": Body(), "HTTP_TRANSFER_ENCODING": "chunked"}

    assert call(measured(app), "POST", **environ) == ("200 OK", b"abc")


class Answer:
    """The application of PEP 3333's example that is a class: holds its environ."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self.environ = environ
        self.start_response = start_response
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self.start_response("200 OK", [])
        yield b"a"
        if self.environ["PATH_INFO"] == "/fail":
            raise LookupError

    def close(self) -> None:
        self.closed += 1


class Server:
    """Holds the environ that it gives to applications, as most do."""

    def __init__(self, path: str) -> None:
        self.environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path}

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        return self.write

    def write(self, data: bytes) -> None:
        """Sends."""

    def serve(self, app: App) -> None:
        body = app(self.environ, self.start_response)
        try:
            for _ in body:
                pass
        finally:
            if hasattr(body, "close"):
                body.close()


def in_one(environ: Any, start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/fail":
        raise LookupError
    start_response("200 OK", [])(b"written")
    return [b"a"]


def as_file(environ: Any, start_response: Any) -> Any:
    environ["wsgi.file_wrapper"] = Wrapper
    start_response("200 OK", [])
    return Wrapper()


class Wrapper(io.BytesIO):
    """A file wrapper that takes attributes."""


@pytest.mark.parametrize("path", ["/", "/fail"])
@pytest.mark.parametrize("app", [Answer, in_one, as_file])
def test_nothing_of_a_request_waits_for_the_garbage_collector(
    numbers: Numbers, app: Any, path: str
) -> None:
    """Its server, with its environ and all that came in, is gone when the request is."""
    server = Server(path)
    left, served = ref(server), measured(app)
    gc.collect()
    gc.disable()
    try:
        try:
            server.serve(served)
        except LookupError:
            assert path == "/fail"
        del server
        assert left() is None
    finally:
        gc.enable()


def test_a_body_that_has_failed_is_closed(numbers: Numbers) -> None:
    """Once, by the server."""
    made: list[Answer] = []

    def app(environ: Any, start_response: Any) -> Answer:
        made.append(Answer(environ, start_response))
        return made[0]

    with pytest.raises(LookupError):
        call(measured(app), PATH_INFO="/fail")

    assert made[0].closed == 1
