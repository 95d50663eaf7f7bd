"""MONAGENT_MOUNT: the application's own port serves what the endpoint serves, and counts it not."""

from __future__ import annotations

import base64
import http.client
import sys
from pathlib import Path

import bcrypt
import pytest

from tests.e2e.command import DEADLINE, running, until
from tests.e2e.load import drive, gets
from tests.ports import free_port

FASTAPI, FLASK = "asgi_fastapi:app", "wsgi_flask:app"
UVICORN_WORKER = ("-k", "uvicorn_worker.UvicornWorker")
GUNICORN = ("-m", "gunicorn", "-w", "2", "--log-level", "warning", "-b", "{at}")
UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--port", "{port}")

SERVERS = {
    "uvicorn": (*UVICORN, FASTAPI),
    "gunicorn uvicorn": (*GUNICORN, *UVICORN_WORKER, FASTAPI),
    "gunicorn gthread": (*GUNICORN, "-k", "gthread", FLASK),
    "gunicorn gevent": (*GUNICORN, "-k", "gevent", FLASK),
    "hypercorn": ("-m", "hypercorn", "-b", "{at}", FASTAPI),
    "hypercorn trio": ("-m", "hypercorn", "-k", "trio", "-b", "{at}", FASTAPI),
}


def asked(
    port: int, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[int, str]:
    """Status and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def command(server: str, port: int) -> list[str]:
    """The server on this port."""
    parts = (part.format(port=port, at=f"127.0.0.1:{port}") for part in SERVERS[server])
    return [sys.executable, *parts]


@pytest.mark.parametrize("server", SERVERS)
def test_the_applications_port_serves_the_metrics_of_all_processes(
    server: str, tmp_path: Path
) -> None:
    """Under the path that was asked for; whoever reads it is no request."""
    port = free_port()
    environ = {"MONAGENT_MOUNT": "/metrics"}
    with running(command(server, port), tmp_path, ready=port, environ=environ) as run:
        drive(port, gets(20, "/hello/a"))
        run.settled(20)
        until(lambda: asked(port)[0] == 200, "the exporter")
        answers = [asked(port) for _ in range(5)]
        head = asked(port, method="HEAD")
        unknown = asked(port, "/metrics/more")[0]
        posted = asked(port, method="POST")[0]
        run.settled(22)
        active = run.scrape().total("http_server_active_requests")

    assert [status for status, _ in answers] == [200] * 5
    assert head == (200, "")
    assert all("\nhttp_server_request_duration_seconds_count{" in text for _, text in answers)
    assert (unknown, posted in (404, 405), active) == (404, True, 0)


def test_it_asks_for_the_endpoints_password(tmp_path: Path) -> None:
    """What the web-config file keeps closed is closed here too."""
    port = free_port()
    web = tmp_path / "web.yml"
    digest = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    web.write_text(f"basic_auth_users:\n  bob: {digest}\n")
    environ = {"MONAGENT_MOUNT": "/private/metrics", "MONAGENT_WEB_CONFIG": str(web)}
    bob = "Basic " + base64.b64encode(b"bob:secret").decode()
    with running(command("uvicorn", port), tmp_path, ready=port, environ=environ, scraped=False):
        until(lambda: asked(port, "/private/metrics")[0] != 503, "the exporter")
        stranger = asked(port, "/private/metrics")[0]
        known = asked(port, "/private/metrics", Authorization=bob)[0]

    assert (stranger, known) == (401, 200)


@pytest.mark.parametrize("path", ["/metrics", "/api/metrics"])
def test_a_root_path_of_the_server_may_stand_in_front(path: str, tmp_path: Path) -> None:
    """uvicorn puts it there itself, for a proxy that has taken it away."""
    port = free_port()
    environ = {"MONAGENT_MOUNT": path}
    rooted = [*command("uvicorn", port), "--root-path", "/api"]
    with running(rooted, tmp_path, ready=port, environ=environ, scraped=False):
        until(lambda: asked(port)[0] == 200, "the exporter")


def test_without_an_exporter_it_says_so(tmp_path: Path) -> None:
    """503, since a scraper must not take nothing for a program without metrics."""
    port = free_port()
    environ = {"MONAGENT_MOUNT": "/metrics", "MONAGENT_EXPORTER": "off"}
    with running(command("uvicorn", port), tmp_path, ready=port, environ=environ, scraped=False):
        status, text = asked(port)

    assert status == 503
    assert text.startswith("monagent: the exporter does not answer")
