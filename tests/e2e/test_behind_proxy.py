"""An application behind hypercorn's ProxyFixMiddleware, which copies every scope deeply."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.command import running
from tests.e2e.load import drive, gets
from tests.ports import free_port


def test_requests_are_answered_and_have_their_routes(tmp_path: Path) -> None:
    """As without us, and each counts once."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "-b", f"127.0.0.1:{port}"]
    with running([*command, "asgi_behind_proxy:app"], tmp_path, ready=port) as run:
        drive(port, gets(20, "/hello/a"))
        run.settled(20)
        of_route = run.scrape().total(
            "http_server_request_duration_seconds_count",
            http_route="/hello/{name}",
            http_response_status_code="200",
        )

    assert of_route == 20
