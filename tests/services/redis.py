"""A Redis server without persistence."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from tests.ports import free_port, listening
from tests.services import _started


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Port of a Redis server that runs until the block ends."""
    path = _started.program("redis-server", "redis-server")
    port = free_port()
    process = subprocess.Popen(
        [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        _started.until(lambda: listening(port), process, 60)
        yield port
    finally:
        _started.stop(process)
