"""What the application's own libraries record, adopted into a shard of the test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monagent import catalogue, metrics
from monagent.awaiting import ADOPTED
from monagent.conventions import _adopted as recorded
from monagent.instrument import hooks, status, targets
from monagent.integrations import _adopted
from monagent.store.shard import Shard
from tests.http_client.numbers import Numbers


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    """Adopts everything, and reads what was recorded."""
    shard = Shard(None)
    before = metrics.recording()
    metrics.use(metrics.Recording(shard, limit=50))
    recorded._asked.clear()
    _adopted.begin(ADOPTED, catalogue.holds)
    yield Numbers(shard)
    hooks.others.clear()
    for word in ADOPTED:
        targets.undo(word)
    status.known.clear()
    metrics.use(before)
    shard.close()
