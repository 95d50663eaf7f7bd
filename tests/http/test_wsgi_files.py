"""Files that a WSGI application hands to its server by `wsgi.file_wrapper`."""

from __future__ import annotations

import gzip
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import FileWrapper as GunicornFileWrapper
from gunicorn.http.wsgi import Response

from monagent.integrations._wsgi import measured
from tests.http.numbers import Numbers

SIZE = "http.server.response.body.size"
DEADLINE = 10


def test_a_file_wrapper_stays_the_object_that_servers_send_as_a_file(
    numbers: Numbers, tmp_path: Path
) -> None:
    """Closed once, counted by what the file holds from its position on."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    file = path.open("rb")
    file.seek(100)
    closed = []
    made: list[Any] = []

    def close() -> None:
        closed.append(True)
        file.close()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        made.append(environ["wsgi.file_wrapper"](file))
        made[0].close = close
        return made[0]

    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": FileWrapper}
    body: Any = measured(app)(environ, lambda *args: None)
    assert body is made[0]
    body.close()

    assert closed == [True]
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 900}


def test_a_wrapped_file_in_memory_has_the_size_of_what_is_left_of_it(numbers: Numbers) -> None:
    """Flask's `send_file` and Django's `FileResponse` give one to the server."""
    file = io.BytesIO(b"x" * 1000)
    file.seek(100)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file)

    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": FileWrapper}
    body: Any = measured(app)(environ, lambda *args: None)
    assert b"".join(body) == b"x" * 900
    body.close()

    assert file.closed
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 900}


def test_a_file_that_the_server_knows_again_is_handed_back(
    numbers: Numbers, tmp_path: Path
) -> None:
    """uWSGI's wrapper is a function that returns the file; what has no descriptor is counted."""
    path = tmp_path / "file"
    path.write_bytes(b"x\n" * 500)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](files.pop(), 4096)

    file = path.open("rb")
    files: list[Any] = [io.BytesIO(b"abc"), file]
    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": lambda file, size: file}
    body: Any = measured(app)(dict(environ), lambda *args: None)
    assert body is file
    body.close()
    assert file.closed
    other: Any = measured(app)(dict(environ), lambda *args: None)
    assert b"".join(other) == b"abc"
    other.close()

    assert numbers.counts() == {"GET unmatched 200": 2}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 1003}


class Storage:
    """An object in some storage: it has `read` and nothing else, and may go away half-way."""

    def __init__(self, size: int, lasts: int | None = None) -> None:
        self.left = size
        self.lasts = size if lasts is None else lasts

    def read(self, size: int = -1) -> bytes:
        if self.lasts <= 0 < self.left:
            raise ConnectionError("storage went away")
        size = min(1000 if size < 0 else min(size, 1000), self.left)
        self.left -= size
        self.lasts -= size
        return b"x" * size


def sends(file: Any, *headers: tuple[str, str]) -> Any:
    """An application that answers with a file."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", list(headers))
        return environ["wsgi.file_wrapper"](file)

    return app


class Client(io.BytesIO):
    """Takes some bytes of an answer, and is gone."""

    def __init__(self, patience: int = 1_000_000_000) -> None:
        super().__init__()
        self.patience = patience

    def write(self, data: Any) -> int:
        if self.tell() > self.patience:
            raise BrokenPipeError
        return super().write(data)


def by_wsgiref(app: Any, patience: int = 1_000_000_000) -> bytes:
    """What the client gets of the body from the server of the standard library."""
    client, said = Client(patience), io.StringIO()
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.0"}
    SimpleHandler(io.BytesIO(), client, said, environ).run(measured(app))
    return client.getvalue().partition(b"\r\n\r\n")[2]


@contextmanager
def reading(peer: socket.socket, got: list[bytes], patience: int) -> Iterator[None]:
    """A client that takes what is sent, to the end or until it has enough."""

    def read() -> None:
        with peer:
            while sum(map(len, got)) < patience and (data := peer.recv(65536)):
                got.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        reader.join(DEADLINE)


def by_gunicorn(app: Any, patience: int = 1_000_000_000) -> bytes:
    """What the client gets of the body from a worker of gunicorn, which works as it is written
    out here."""
    server, peer = socket.socketpair()
    peer.settimeout(DEADLINE)
    got: list[bytes] = []
    request: Any = SimpleNamespace(
        version=(1, 0), method="GET", headers=[], should_close=lambda: True
    )
    answer: Any = Response(request, server, Config())
    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": GunicornFileWrapper}
    with reading(peer, got, patience), server:
        body: Any = measured(app)(environ, answer.start_response)
        assert isinstance(body, GunicornFileWrapper)
        with suppress(OSError, ValueError):  # The server logs it, and ends the connection.
            try:
                answer.write_file(body)
                answer.close()
            finally:
                body.close()
    return b"".join(got).partition(b"\r\n\r\n")[2]


SERVERS = pytest.mark.parametrize("served", [by_wsgiref, by_gunicorn])


@SERVERS
def test_a_client_that_leaves_a_file_is_gone_and_has_what_was_sent(
    numbers: Numbers, tmp_path: Path, served: Any
) -> None:
    """gunicorn has given the file to the kernel, wsgiref reads it; both go on to the `close`."""
    path = tmp_path / "file"
    path.write_bytes(bytes(40_000_000))

    with path.open("rb") as file:
        served(sends(file), 1000)

        assert file.closed
    assert numbers.counts() == {"GET unmatched 200 client_disconnected": 1}
    assert 0 < numbers.sums(SIZE)["unmatched"] < 40_000_000


@SERVERS
def test_a_file_that_breaks_half_way_counts_by_what_it_raised(
    numbers: Numbers, served: Any
) -> None:
    """An exception of the network, but not of the client's connection."""
    served(sends(Storage(5000, lasts=2000)))

    assert numbers.counts() == {"GET unmatched 200 ConnectionError": 1}
    assert numbers.sums(SIZE) == {"unmatched": 2000}


def test_a_file_that_the_server_cannot_send_counts_by_what_it_raised(
    numbers: Numbers, tmp_path: Path
) -> None:
    """Python's `sendfile` refuses files of text, when the head of the answer is gone."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    assert by_gunicorn(sends(path.open())) == b""

    assert numbers.counts() == {"GET unmatched 200 ValueError": 1}
    assert numbers.sums(SIZE) == {"unmatched": 0}


@SERVERS
def test_what_is_wrapped_and_is_no_file_counts_by_what_is_read_of_it(
    numbers: Numbers, served: Any
) -> None:
    """An entry of a zip file, the answer of a storage, a pipe."""
    assert served(sends(Storage(50_000))) == b"x" * 50_000

    assert numbers.counts() == {"GET unmatched 200": 1}
    assert numbers.sums(SIZE) == {"unmatched": 50_000}


def test_a_descriptor_may_be_refused_by_any_exception(numbers: Numbers) -> None:
    """Not only by those of Python's own files."""

    class Remote(Storage):
        def fileno(self) -> int:
            raise NotImplementedError

    assert by_wsgiref(sends(Remote(3000))) == b"x" * 3000

    assert numbers.sums(SIZE) == {"unmatched": 3000}


def test_a_compressed_file_counts_by_what_is_read_of_it(numbers: Numbers, tmp_path: Path) -> None:
    """It has the descriptor of what is on disk."""
    with gzip.open(tmp_path / "file", "wb") as file:
        file.write(b"x" * 100_000)

    assert by_wsgiref(sends(gzip.GzipFile(tmp_path / "file"))) == b"x" * 100_000

    assert numbers.sums(SIZE) == {"unmatched": 100_000}


def test_no_more_of_a_file_counts_than_its_answer_declares(
    numbers: Numbers, tmp_path: Path
) -> None:
    """gunicorn sends no more."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    assert by_gunicorn(sends(path.open("rb"), ("Content-Length", "300"))) == b"x" * 300

    assert numbers.sums(SIZE) == {"unmatched": 300}


def test_an_exception_that_is_handled_around_a_request_is_none_of_its_own(
    numbers: Numbers, tmp_path: Path
) -> None:
    """Some server, or test, begins a request in an `except`."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    try:
        raise OSError
    except OSError:
        assert by_gunicorn(sends(path.open("rb"))) == b"x" * 1000

    assert numbers.counts() == {"GET unmatched 200": 1}
    assert numbers.sums(SIZE) == {"unmatched": 1000}


class OldFileWrapper:
    """As gunicorn had it before its 20.1."""

    def __init__(self, filelike: Any) -> None:
        self.filelike = filelike

    def __getitem__(self, key: int) -> bytes:
        data: bytes = self.filelike.read(8192)
        if data:
            return data
        raise IndexError


@pytest.mark.parametrize("wrapper", [FileWrapper, GunicornFileWrapper, OldFileWrapper])
def test_a_file_wrapper_is_what_it_was_when_it_is_read_and_when_it_is_closed(
    numbers: Numbers, wrapper: Any
) -> None:
    """Of its class, with its attributes; till then it is an instance, for servers to know."""
    for reads in (True, False):
        file = Storage(3000)
        made = wrapper(file)
        before = dict(vars(made))
        environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": wrapper}

        def app(environ: Any, start_response: Any, made: Any = made) -> Any:
            start_response("200 OK", [])
            return made

        body: Any = measured(app)(environ, lambda *args: None)
        assert body is made
        assert isinstance(body, wrapper)
        assert body.__class__ is wrapper
        assert type(body).__name__ == wrapper.__name__
        assert body.filelike is file
        if reads:
            assert b"".join(body) == b"x" * 3000
            assert type(body) is wrapper
        body.close()
        assert type(body) is wrapper
        assert vars(body) == before

    assert numbers.counts() == {"GET unmatched 200": 2}
    assert numbers.sums(SIZE) == {"unmatched": 3000}
