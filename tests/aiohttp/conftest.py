"""Recording into a shard of the test's own, with aiohttp hooked and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monagent import metrics
from monagent.instrument import hooks
from monagent.store.shard import Shard
from tests.http.numbers import Numbers


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[Numbers]:
    """What was recorded since the test began."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    metrics.use(metrics.Recording(Shard(str(state))))
    hooks.modes.append(lambda library: "on" if library == "aiohttp" else "off")
    hooks.install()
    yield Numbers(str(state))
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())
