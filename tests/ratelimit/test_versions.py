"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
OLDEST = [
    "limits==2.8.0",
    "slowapi==0.1.8",
    "Flask-Limiter==3.0.0",
    "fastapi-limiter==0.1.5",
    "flask<3",
    "fastapi<0.116",
]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    # limits 2.8 imports pkg_resources.
    python = made(tmp_path, "pytest", "httpx", "setuptools<80", *OLDEST)
    files = ["test_limits.py", "test_frameworks.py", "test_redis.py"]
    files.append("oldest_fastapi_limiter.py")
    # Old releases warn of old interpreters' ways.
    passes(python, "-W", "default", *(str(HERE / file) for file in files))
