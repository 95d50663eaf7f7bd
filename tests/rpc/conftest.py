"""Recording in memory with the import hooks in place, and a service to call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.rpc.numbers import Numbers


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    """What was recorded since the test began; nothing but gRPC is hooked."""
    shard = Shard(None)
    metrics.use(metrics.Recording(shard))
    hooks.modes.append(lambda library: "on" if library == "grpc" else "off")
    hooks.install()
    yield Numbers(shard)
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())
    shard.close()
