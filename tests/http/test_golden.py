"""What the endpoint shows of Tornado and GraphQL changes on purpose only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import golden as goldens
from tests.e2e.command import running, until

APPS = Path(__file__).parent / "apps"


def test_names_and_labels_of_tornado_and_graphql_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Every metric that they record, through the front door."""
    pytest.importorskip("tornado")
    pytest.importorskip("graphql")
    environ = {"MONAGENT_PEER_SERVICES": "127.*=itself"}
    with running(
        (sys.executable, str(APPS / "tornado_whole.py")), tmp_path, environ=environ
    ) as run:
        closed = "\nwebsocket_connection_duration_seconds_count{"
        until(lambda: run.text().count(closed) == 2, "the end at both sides", 30)
        golden("tornado", run.text, "http_client_", "http_server_", "sse_", "websocket_")
        golden("graphql", run.text, "graphql_")
