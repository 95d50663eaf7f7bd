"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_prometheus_client_is_adopted_alike(tmp_path: Path) -> None:
    """In an environment of its own, made for the test."""
    python = made(tmp_path, "pytest", "prometheus_client==0.8.0")
    files = [str(HERE / "test_prometheus_client.py"), str(HERE / "test_removed.py")]
    passes(python, "-W", "default", *files)


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_opentelemetry_is_adopted_alike(tmp_path: Path) -> None:
    """As above."""
    old = ["opentelemetry-api==1.30.0", "opentelemetry-sdk==1.30.0"]
    python = made(tmp_path, "pytest", *old)
    passes(python, "-W", "default", str(HERE / "test_opentelemetry.py"))
