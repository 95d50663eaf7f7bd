"""Recording in memory with the import hooks in place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http_client.numbers import Numbers

WATCHED = frozenset(("engineio", "socketio", "uvicorn", "werkzeug", "starlette", "fastapi"))
WATCHED |= {"flask", "simple_websocket"}


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    """What was recorded since the test began; no client is hooked."""
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))
    hooks.modes.append(lambda library: "on" if library in WATCHED else "off")
    hooks.install()
    yield Numbers(shard)
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())
    shard.close()
