"""A real Prometheus scrapes the endpoint of a real server, and its queries answer."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.command import running, until
from tests.e2e.load import drive, gets
from tests.ports import free_port
from tests.services.prometheus import answer, prometheus


def test_prometheus_answers_the_rate_of_requests(tmp_path: Path) -> None:
    """`rate(http_server_request_duration_seconds_count[1m])` has a value for each route."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--workers", "2"]
    with (
        running([*command, "asgi_fastapi:app"], tmp_path, ready=port) as run,
        prometheus(run.metrics, tmp_path) as server,
    ):
        query = "sum by (http_route) (rate(http_server_request_duration_seconds_count[1m]))"

        def answered() -> bool:
            drive(port, gets(20, "/hello/a", "/missing"))
            return len(answer(server, query)) == 2

        until(answered, "a rate of both routes", 90)
        up = answer(server, "up")

    assert list(up.values()) == [1]
