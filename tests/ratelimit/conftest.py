"""Recording in memory with the import hooks in place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http_client.numbers import Numbers


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    """What was recorded since the test began."""
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))
    hooks.install()
    yield Numbers(shard)
    hooks.uninstall()
    metrics.use(metrics.Recording())
    shard.close()
