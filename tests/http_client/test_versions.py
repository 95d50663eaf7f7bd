"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
OLDEST = ["requests==2.28.0", "urllib3==1.26.0", "httpx[http2]==0.24.0", "httpcore==0.17.0"]
OTEL = ["opentelemetry-instrumentation-requests", "opentelemetry-instrumentation-urllib3"]
FILES = [
    "test_matrix.py",
    "test_concurrency.py",
    "test_nesting.py",
    "test_carriers.py",
    "test_peers.py",
    "test_pools.py",
]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, "pytest", "trustme", "wrapt", *OTEL, *OLDEST)
    # Old releases warn of old interpreters' ways.
    passes(python, "-W", "default", *(str(HERE / file) for file in FILES))
