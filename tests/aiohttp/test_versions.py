"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.environment import made, passes

OLDEST = ["aiohttp==3.8.3", "websockets==11.0"]
NEEDED = ["pytest", "trustme", "wrapt", "requests", "httpx", "urllib3"]
TESTS = [
    ["tests/aiohttp", "tests/http_client/test_aiohttp.py", "tests/http/test_websockets_library.py"],
    ["tests/http_client/test_matrix.py", "tests/http_client/test_nesting.py", "-k", "aiohttp"],
    ["tests/http_client/test_carriers.py", "tests/http_client/test_aiohttp_proxy.py"],
]


@pytest.mark.slow
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    if sys.version_info >= (3, 12):
        pytest.skip("the oldest aiohttp does not build on this interpreter")
    python = made(tmp_path, *NEEDED, *OLDEST)
    for tests in TESTS:
        # Old releases warn of old interpreters' ways.
        inner = ("--basetemp", str(tmp_path / "inner"))
        passes(python, "-W", "default", *inner, "-k", "not versions", *tests)
