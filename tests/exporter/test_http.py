"""The endpoint under good and bad clients: a real exporter process, real sockets."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monagent.exporter.exposition import OPENMETRICS, TEXT
from monagent.exporter.http import HEADER_TIME
from monagent.exporter.negotiation import format_of, takes_gzip
from tests.exporter.forge import REQUESTS, Forged
from tests.exporter.running import Exporter, exporter, until, write_root

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Exporter]:
    """An exporter with one series."""
    write_root(tmp_path, os.getpid())
    Forged(str(tmp_path), [(REQUESTS, {"route": "/"}, [3.0])])
    with exporter(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0, */*", TEXT),
        ("application/*;q=0.9, text/*;q=0.1", OPENMETRICS),
        ("application/openmetrics-text;q=nonsense", TEXT),
        (PROMETHEUS_3, OPENMETRICS),
    ],
)
def test_the_format_is_the_one_the_client_likes_best(accept: str, expected: str) -> None:
    """Weights and versions count, and whoever names nothing gets plain text."""
    assert format_of(accept) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", False), ("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("*", True)],
)
def test_gzip_is_used_only_where_it_is_taken(header: str, expected: bool) -> None:
    """A weight of 0 means no."""
    assert takes_gzip(header) is expected


def test_both_formats_carry_the_same_samples(running: Exporter) -> None:
    """With their content types, and compressed on request."""
    plain = running.get()
    compressed = running.get(accept=PROMETHEUS_3, accept_encoding="gzip")

    assert plain.headers["content-type"] == TEXT
    assert compressed.headers["content-type"] == OPENMETRICS
    assert compressed.headers["content-encoding"] == "gzip"
    assert 'http_requests_total{route="/"} 3.0\n' in plain.text
    assert 'http_requests_total{route="/"} 3.0\n' in compressed.text
    assert compressed.text.endswith("# EOF\n")


def test_only_documented_paths_and_methods_answer(running: Exporter) -> None:
    """HEAD is GET without the body."""
    head = running.get(method="HEAD")

    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    assert running.get("/healthz").text == "ok\n"
    assert running.get("/").status == 200
    assert running.get("/metrics?name=x").status == 200
    assert running.get("/metrics/").status == 404
    assert running.get("/secret").status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        refused = running.get(method=method)
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_the_path_is_a_setting(tmp_path: Path) -> None:
    """MONAGENT_PATH."""
    write_root(tmp_path, os.getpid())
    with exporter(tmp_path, MONAGENT_PATH="/internal/prom") as running:
        assert running.get("/internal/prom").status == 200
        assert running.get("/metrics").status == 404


def talk(running: Exporter, sent: bytes) -> bytes:
    """Sends these bytes and returns everything that comes back until the connection closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as sock:
        try:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        received = b""
        try:
            while chunk := sock.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def test_connections_are_kept_and_requests_may_be_pipelined(running: Exporter) -> None:
    """HTTP/1.1 goes on until somebody says close; HTTP/1.0 does not."""
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

    assert talk(running, request * 3).count(b"HTTP/1.1 200 OK") == 3
    assert talk(running, request.replace(b"1.1", b"1.0") * 2).count(b"200 OK") == 1
    closing = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert talk(running, closing * 2).count(b"200 OK") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", b"505"),
        (b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n folded: x\r\n\r\n", b"400"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /", b"405"),
    ],
)
def test_bad_requests_get_their_status_and_the_connection_is_closed(
    running: Exporter, sent: bytes, status: bytes
) -> None:
    """Also the megabyte of header, of which no more than 16 kB are read."""
    answer = talk(running, sent)

    assert answer.split(b" ")[1:2] == [status]
    assert b"Connection: close" in answer
    assert answer.count(b"Content-Length:") == 1
    assert running.get().status == 200


def test_scrapes_go_on_beside_200_half_open_connections(running: Exporter) -> None:
    """Threads and descriptors stay bounded; whoever never says anything is cut off in the end."""
    pid = running.process.pid
    silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(100)]
    for number in range(100):
        sock = socket.create_connection(("127.0.0.1", running.port))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n"[: number % 30 + 1])
        silent.append(sock)
    try:
        for _ in range(5):
            begun = time.monotonic()
            assert running.get().status == 200
            assert time.monotonic() - begun < HEADER_TIME
        assert len(os.listdir(f"/proc/{pid}/fd")) < 160
        assert len(os.listdir(f"/proc/{pid}/task")) < 8
        shed = "monagent_http_connections_shed_total"
        until(lambda: running.samples()[shed] >= 200, "the cut")
        until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 30, "closed descriptors")
    finally:
        for sock in silent:
            sock.close()


def test_a_client_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """Answers of megabytes wait in its own buffer only."""
    write_root(tmp_path, os.getpid())
    series = [(REQUESTS, {"route": f"/{'x' * 200}/{n}"}, [1.0]) for n in range(20_000)]
    Forged(str(tmp_path), list(series))
    with exporter(tmp_path, MONAGENT_SERIES_LIMIT="100000") as running:
        deaf = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(5)]
        for sock in deaf:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert running.get("/healthz").status == 200
        assert running.get().text.count("http_requests_total{") == 20_000
        for sock in deaf:
            sock.close()


def test_accepting_goes_on_while_a_large_scrape_is_rendered(tmp_path: Path) -> None:
    """A probe of /healthz does not wait for the first rendering of many series."""
    write_root(tmp_path, os.getpid())
    for part in range(4):
        series = [(REQUESTS, {"route": f"/{part}/{n}"}, [1.0]) for n in range(25_000)]
        Forged(str(tmp_path), list(series))
    with exporter(tmp_path, MONAGENT_SERIES_LIMIT="100000") as running:
        port = running.port
        with socket.create_connection(("127.0.0.1", port)) as scraper:
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            waits = []
            scraper.settimeout(0)
            while True:
                begun = time.monotonic()
                assert running.get("/healthz").status == 200
                waits.append(time.monotonic() - begun)
                try:
                    if not scraper.recv(1 << 20):
                        break
                except BlockingIOError:
                    continue

    assert len(waits) > 3
    assert max(waits) < sum(waits) / 2  # not for all of the rendering
