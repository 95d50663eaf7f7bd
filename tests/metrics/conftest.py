"""A recording for each test, and the process's own afterwards as before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monagent import metrics
from monagent.metrics import Recording
from monagent.store.shard import Shard


@pytest.fixture
def shard() -> Iterator[Shard]:
    """A shard in memory that declared metrics record into."""
    before = metrics.recording()
    made = Shard(None)
    metrics.use(Recording(made))
    yield made
    metrics.use(before)
    made.close()
