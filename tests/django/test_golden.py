"""What the endpoint shows of Django and Channels changes on purpose only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests import golden as goldens
from tests.django.test_servers import DAPHNE, get, serving
from tests.e2e.command import until


async def _connect(url: str) -> None:
    from websockets.asyncio.client import connect

    async with connect(url) as socket:
        await socket.send("hi")
        await socket.recv()


def test_names_and_labels_of_django_change_on_purpose_only(
    tmp_path: Path, golden: goldens.Golden
) -> None:
    """Requests, errors, an event stream, a WebSocket, a limit."""
    pytest.importorskip("channels")
    with serving(DAPHNE, tmp_path) as (port, run):
        for path in ("/items/7/", "/fails/value", "/none", "/stream/events", "/limited"):
            get(port, path)
        asyncio.run(_connect(f"ws://127.0.0.1:{port}/chat/blue/"))

        until(lambda: "websocket_connection_duration_seconds_count" in run.text(), "the end", 30)
        run.settled(4)
        golden("django", run.text, "http_server_", "rate_limit_", "sse_", "websocket_")
