"""Whichever worker served a request, every scrape of the one endpoint says the exact total."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.command import running
from tests.e2e.load import drive, gets
from tests.ports import free_port

GUNICORN = ("-m", "gunicorn", "-w", "4", "--log-level", "warning")
UVICORN_WORKER = ("-k", "uvicorn_worker.UvicornWorker")
FASTAPI = "asgi_fastapi:app"
FLASK = "wsgi_flask:app"

SERVERS = {
    "gunicorn sync": (*GUNICORN, "-b", "{at}", FLASK),
    "gunicorn gthread": (*GUNICORN, "-k", "gthread", "--threads", "4", "-b", "{at}", FLASK),
    "gunicorn gevent": (*GUNICORN, "-k", "gevent", "-b", "{at}", FLASK),
    "gunicorn preload": (*GUNICORN, "--preload", "-b", "{at}", FLASK),
    "gunicorn uvicorn": (*GUNICORN, *UVICORN_WORKER, "-b", "{at}", FASTAPI),
    "gunicorn uvicorn preload": (*GUNICORN, *UVICORN_WORKER, "--preload", "-b", "{at}", FASTAPI),
    "uvicorn": ("-m", "uvicorn", "--port", "{port}", "--workers", "4", FASTAPI),
    "hypercorn": ("-m", "hypercorn", "-w", "4", "-b", "{at}", FASTAPI),
    "granian": (
        *("-m", "granian", "--workers", "4", "--interface", "asgi"),
        *("--port", "{port}", FASTAPI),
    ),
    "granian wsgi": (
        *("-m", "granian", "--workers", "4", "--interface", "wsgi"),
        *("--port", "{port}", FLASK),
    ),
}


@pytest.mark.parametrize("server", SERVERS)
def test_every_scrape_says_what_all_workers_served(server: str, tmp_path: Path) -> None:
    """1,000 requests over four workers are 1,000 on each of ten scrapes, by route and status."""
    port = free_port()
    command = [
        sys.executable,
        *(part.format(port=port, at=f"127.0.0.1:{port}") for part in SERVERS[server]),
    ]
    with running(command, tmp_path, ready=port) as run:
        seen = drive(port, [*gets(800, "/hello/a", "/hello/b"), *gets(200, "/missing")])
        run.settled(1000)
        totals = [run.scrape() for _ in range(10)]
        active = totals[-1].total("http_server_active_requests")

    name = "http_server_request_duration_seconds_count"
    assert (seen.statuses, seen.unknown) == ({200: 800, 404: 200}, 0)
    assert [one.requests for one in totals] == [1000] * 10
    assert totals[-1].total(name, http_response_status_code="200") == 800
    assert totals[-1].total(name, http_response_status_code="404") == 200
    template = "/hello/<name>" if FLASK in command else "/hello/{name}"
    assert totals[-1].total(name, http_route=template) == 800
    assert active == 0
