"""waitress: every request of whatever application it serves, until the client has it or is gone."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from waitress import wasyncore
from waitress.server import create_server

from tests.http.numbers import Numbers

pytestmark = pytest.mark.usefixtures("numbers")

DEADLINE = 30.0


def until(wanted: Callable[[], bool]) -> None:
    """Wait for something that happens in a thread of the server."""
    end = time.monotonic() + DEADLINE
    while not wanted() and time.monotonic() < end:
        time.sleep(0.005)


@contextlib.contextmanager
def serving(app: Any, listen: str = "127.0.0.1:0", **settings: Any) -> Iterator[list[int]]:
    """Runs the application; gives the ports."""
    sockets: dict[int, Any] = {}
    stopped = threading.Event()
    server = create_server(app, map=sockets, listen=listen, threads=2, **settings)

    def run() -> None:
        while not stopped.is_set():
            wasyncore.loop(timeout=0.05, map=sockets, count=1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        several = getattr(server, "effective_listen", None)
        yield [port for _, port in several] if several else [server.effective_port]
    finally:
        stopped.set()
        thread.join()
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)


def answer(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """What one request gets."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


def leaves(port: int, size: int = 1) -> None:
    """Asks, reads the first bytes of the answer, and goes."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(size)


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Says the scheme it sees."""
    start_response("200 OK", [])
    return [environ["wsgi.url_scheme"].encode()]


def test_the_scheme_is_that_in_front_of_a_trusted_proxy(numbers: Numbers) -> None:
    """As the application sees it."""
    with serving(hello, trusted_proxy="*", trusted_proxy_headers={"x-forwarded-proto"}) as [port]:
        assert answer(port, **{"X-Forwarded-Proto": "https"}) == (200, b"https")
        until(lambda: bool(numbers.counts()))

    schemes = {dict(key)["url.scheme"] for key in numbers.series("http.server.request.duration")}
    assert schemes == {"https"}
    assert numbers.counts() == {"GET unmatched 200": 1}


def test_a_file_is_counted_when_it_is_sent(numbers: Numbers, tmp_path: Path) -> None:
    """The server takes the file wrapper itself, and closes it after the last byte."""
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file.open("rb"))

    with serving(app) as [port]:
        assert answer(port) == (200, file.read_bytes())
        until(lambda: bool(numbers.counts()))

    assert numbers.counts() == {"GET unmatched 200": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 3_000_000}


def test_a_client_that_leaves_a_file_is_counted_as_gone(numbers: Numbers, tmp_path: Path) -> None:
    """With the bytes that were sent till then."""
    file = tmp_path / "file"
    file.write_bytes(bytes(50_000_000))

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file.open("rb"))

    with serving(app) as [port]:
        leaves(port)
        until(lambda: bool(numbers.counts()))

    assert numbers.counts() == {"GET unmatched 200 client_disconnected": 1}
    assert 0 <= numbers.sums("http.server.response.body.size")["unmatched"] < 50_000_000


def test_what_is_sent_of_a_file_counts(numbers: Numbers, tmp_path: Path) -> None:
    """No more than the answer declares, and of a compressed file what is in it."""
    file = tmp_path / "file"
    with gzip.open(file, "wb") as written:
        written.write(b"x" * 100_000)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        declared = environ["QUERY_STRING"]
        start_response("200 OK", [("Content-Length", declared)] if declared else [])
        return environ["wsgi.file_wrapper"](gzip.GzipFile(file))

    with serving(app) as [port]:
        assert answer(port, "/?300") == (200, b"x" * 300)
        until(lambda: numbers.sums("http.server.response.body.size") == {"unmatched": 300})
        assert answer(port) == (200, b"x" * 100_000)
        until(lambda: numbers.counts() == {"GET unmatched 200": 2})

    assert numbers.sums("http.server.response.body.size") == {"unmatched": 100_300}


def test_what_is_wrapped_and_has_no_position_counts_as_it_is_read(numbers: Numbers) -> None:
    """As the answer of a storage, which may break."""

    class Storage:
        pieces = [b"x" * 1000] * 5

        def read(self, size: int) -> bytes:
            if not self.pieces:
                raise ConnectionError
            return self.pieces.pop()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](Storage())

    with serving(app) as [port]:
        with pytest.raises(IncompleteRead):
            answer(port)
        until(lambda: bool(numbers.counts()))

    assert numbers.counts() == {"GET unmatched 200 ConnectionError": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 5000}


def test_a_client_that_leaves_a_stream_is_counted_as_gone(numbers: Numbers) -> None:
    """And the application's iterable is closed, as before."""
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"more" * 5000
                time.sleep(0.01)
        finally:
            closed.set()

    with serving(app) as [port]:
        leaves(port)
        assert closed.wait(DEADLINE)
        until(lambda: bool(numbers.counts()))

    assert numbers.counts() == {"GET unmatched 200 client_disconnected": 1}
    assert numbers.total("http.server.active_requests") == 0


def test_a_client_that_leaves_what_is_written_is_counted_as_gone(numbers: Numbers) -> None:
    """The server says so by an exception of its own, which passes through the application."""
    raised: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        try:
            while True:
                write(b"more" * 5000)
                time.sleep(0.01)
        except BaseException as error:
            raised.append(error)
            raise

    with serving(app) as [port]:
        leaves(port)
        until(lambda: bool(numbers.counts()))

    assert [type(error).__name__ for error in raised] == ["ClientDisconnected"]
    assert numbers.counts() == {"GET unmatched 200 client_disconnected": 1}


def test_an_exception_is_a_500_with_its_class(numbers: Numbers) -> None:
    """Before the headers; the server answers."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        raise KeyError

    with serving(app) as [port]:
        assert answer(port)[0] == 500
        until(lambda: bool(numbers.counts()))

    assert numbers.counts() == {"GET unmatched 500 KeyError": 1}


def test_what_is_written_counts(numbers: Numbers) -> None:
    """By the callable that start_response returns."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("201 Created", [("Content-Length", "6")])
        write(b"abc")
        write(b"def")
        return []

    with serving(app) as [port]:
        assert answer(port, method="PUT") == (201, b"abcdef")
        until(lambda: bool(numbers.counts()))

    assert numbers.counts() == {"PUT unmatched 201": 1}
    assert numbers.sums("http.server.response.body.size") == {"unmatched": 6}


def test_one_request_after_another_on_a_connection_counts_each(numbers: Numbers) -> None:
    """Kept alive, and pipelined."""
    with serving(hello) as [port]:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            until(lambda: numbers.counts() == {"GET unmatched 200": 3})

    assert numbers.counts() == {"GET unmatched 200": 3}


def test_one_of_several_addresses_counts_as_well(numbers: Numbers) -> None:
    """One server each, all of the same application."""
    with serving(hello, listen="127.0.0.1:0 127.0.0.1:0") as ports:
        assert [answer(port) for port in ports] == [(200, b"http")] * 2
        until(lambda: numbers.counts() == {"GET unmatched 200": 2})

    assert numbers.counts() == {"GET unmatched 200": 2}
