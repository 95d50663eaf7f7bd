"""Under real servers the bytes on the wire are those of a bare run; each request counts once."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import running, until
from tests.ports import free_port, listening

APPS = Path(__file__).parent / "apps"
GUNICORN = ("-m", "gunicorn", "--log-level", "critical", "-b", "{at}")
UVICORN = ("-m", "uvicorn", "--log-level", "critical", "--port", "{port}")

WSGI = {
    "gunicorn sync": (*GUNICORN, "bare_wsgi:app"),
    "gunicorn gthread": (*GUNICORN, "-k", "gthread", "bare_wsgi:app"),
    "gunicorn gevent": (*GUNICORN, "-k", "gevent", "bare_wsgi:app"),
    "granian": ("-m", "granian", "--interface", "wsgi", "--port", "{port}", "bare_wsgi:app"),
    "hypercorn": ("-m", "hypercorn", "-b", "{at}", "bare_wsgi:app"),
    "wsgiref": ("serve_wsgiref.py", "{port}"),
    "werkzeug": ("serve_werkzeug.py", "{port}"),
}
ASGI = {
    "uvicorn httptools": (*UVICORN, "--http", "httptools", "bare_asgi:app"),
    "uvicorn h11": (*UVICORN, "--http", "h11", "bare_asgi:app"),
    "uvicorn asgi2": (*UVICORN, "bare_asgi:old"),
    "uvicorn asgi2 class": (*UVICORN, "bare_asgi:Old"),
    "uvicorn object": (*UVICORN, "bare_asgi:called"),
    "gunicorn uvicorn": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "bare_asgi:app"),
    "gunicorn asgi": (*GUNICORN, "-k", "asgi", "bare_asgi:app"),
    "hypercorn": ("-m", "hypercorn", "-b", "{at}", "bare_asgi:app"),
    "granian": ("-m", "granian", "--interface", "asgi", "--port", "{port}", "bare_asgi:app"),
}
HOST = "Host: localhost\r\nConnection: close\r\n"
WSGI_REQUESTS = [
    *[
        f"GET /{path} HTTP/1.1\r\n{HOST}\r\n"
        for path in ("list", "pieces", "generator", "write", "file", "empty", "same", "twice")
    ],
    f"HEAD /list HTTP/1.1\r\n{HOST}\r\n",
    f"HEAD /pieces HTTP/1.1\r\n{HOST}\r\n",
    f"GET /none HTTP/1.1\r\n{HOST}\r\n",
    f"GET /fail HTTP/1.1\r\n{HOST}\r\n",
    f"POST /echo HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello",
]
ASGI_REQUESTS = [
    *[
        f"GET /{path} HTTP/1.1\r\n{HOST}\r\n"
        for path in ("plain", "chunks", "empty", "same", "none", "fail", "slow")
    ],
    f"HEAD /plain HTTP/1.1\r\n{HOST}\r\n",
    f"POST /echo HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello",
    f"POST /echo HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    f"POST /echo HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
]
UPGRADE = (
    "GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, other\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def asked(port: int, request: str, frames: bytes | None = None) -> bytes:
    """All that the server answers, with what differs in any two runs made equal.

    With `frames` these are sent behind the answer's head, and the server's closing frame is
    answered; with none of them it ends there.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.encode())
        if frames is not None:
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            connection.sendall(frames)
        with contextlib.suppress(ConnectionResetError):
            while frames != b"" and (piece := connection.recv(65536)):
                answer += piece
                if frames and SERVERS_CLOSE in answer:
                    connection.sendall(CLOSE)
                    frames = None
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", answer)


CLOSE = bytes((0x88, 0x82, 0, 0, 0, 0, 0x0F, 0xA2))
"""A client's closing frame with code 4002; servers wait for one."""

SERVERS_CLOSE = bytes((0x88, 0x02, 0x0F, 0xA2))


def masked(text: bytes) -> bytes:
    """A client's text frame, masked by zeros."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


def command(arguments: tuple[str, ...], port: int) -> list[str]:
    """The command line of a server on a port."""
    return [sys.executable, *(one.format(port=port, at=f"127.0.0.1:{port}") for one in arguments)]


@contextlib.contextmanager
def bare(arguments: tuple[str, ...]) -> Iterator[int]:
    """The server without monagent; gives its port."""
    port = free_port()
    process = subprocess.Popen(
        command(arguments, port),
        cwd=APPS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: listening(port), arguments[1])
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("server", WSGI)
def test_a_bare_wsgi_application_answers_the_same_bytes(server: str, tmp_path: Path) -> None:
    """Content-Length of a list, files, `write`, empty answers, errors; `close` as often."""
    with bare(WSGI[server]) as port:
        expected = [asked(port, request) for request in WSGI_REQUESTS]
    port = free_port()
    with running(command(WSGI[server], port), tmp_path, ready=port, cwd=APPS) as run:
        answers = [asked(port, request) for request in WSGI_REQUESTS]
        scrape = run.settled(len(WSGI_REQUESTS))

    assert answers == expected
    assert scrape.requests == len(WSGI_REQUESTS)
    assert scrape.total("http_server_active_requests") == 0
    assert run.output.read_text().count("closed\n") == 2
    assert (
        scrape.total("http_server_request_duration_seconds_count", error_type="RuntimeError") == 1
    )
    assert scrape.total("monagent_errors_total") == 0


@pytest.mark.parametrize("server", ASGI)
def test_a_bare_asgi_application_answers_the_same_bytes(server: str, tmp_path: Path) -> None:
    """Lengths, chunks, empty answers, continue, errors; WebSockets with their subprotocol."""
    talk = masked(b"hello") + masked(b"bye")

    def answers_on(port: int) -> list[bytes]:
        return [
            *(asked(port, request) for request in ASGI_REQUESTS),
            asked(port, UPGRADE.format(path="talk"), talk),
            asked(port, UPGRADE.format(path="refused"), b""),
        ]

    with bare(ASGI[server]) as port:
        expected = answers_on(port)
    port = free_port()
    ended = "websocket_connection_duration_seconds_count"
    with running(command(ASGI[server], port), tmp_path, ready=port, cwd=APPS) as run:
        answers = answers_on(port)
        until(lambda: run.scrape().total(ended) >= 1, "the end of the connection")
        scrape = run.settled(len(ASGI_REQUESTS) + 1)

    name = "http_server_request_duration_seconds_count"
    assert answers == expected
    assert b"\r\n\r\n" in expected[-2]
    assert scrape.requests == len(ASGI_REQUESTS) + 1
    assert scrape.total(name, http_response_status_code="403") == 1
    assert scrape.total(name, error_type="RuntimeError", http_response_status_code="500") == 1
    assert scrape.total("websocket_messages_total", direction="received") == 2
    assert scrape.total(ended) == 1
    assert scrape.total("http_server_active_requests") == 0
    assert scrape.total("websocket_connections_active") == 0
    assert scrape.total("monagent_errors_total") == 0


@pytest.mark.parametrize("server", [name for name in ASGI if "asgi2" not in name])
def test_a_client_that_hangs_up_is_told_from_an_error(server: str, tmp_path: Path) -> None:
    """While the application waits for it, and while it works without looking."""
    port = free_port()
    with running(command(ASGI[server], port), tmp_path, ready=port, cwd=APPS) as run:
        for path in ("wait", "late"):
            left = tmp_path / path
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(f"GET /{path}?{left} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                until(
                    lambda: run.scrape().total("http_server_active_requests") == 1,
                    f"the request for {path}",
                )
            left.touch()
            until(
                lambda: run.scrape().total("http_server_active_requests") == 0, f"its end: {path}"
            )
        scrape = run.settled(2)

    # granian tells nobody who does not ask for it.
    name = "http_server_request_duration_seconds_count"
    gone = scrape.total(name, error_type="client_disconnected", http_response_status_code="499")
    assert scrape.requests == 2
    assert gone == (1 if server == "granian" else 2)
