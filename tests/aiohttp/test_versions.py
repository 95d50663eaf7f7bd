"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OLDEST = ["aiohttp==3.8.3", "websockets==11.0"]
NEEDED = ["pytest", "trustme", "wrapt", "requests", "httpx", "urllib3"]
TESTS = [
    ["tests/aiohttp", "tests/http_client/test_aiohttp.py", "tests/http/test_websockets_library.py"],
    ["tests/http_client/test_matrix.py", "tests/http_client/test_nesting.py", "-k", "aiohttp"],
]


@pytest.mark.slow
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    if sys.version_info >= (3, 12):
        pytest.skip("the oldest aiohttp does not build on this interpreter")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    python = str(tmp_path / "env" / "bin" / "python")
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "env")],
        ["pip", "install", "--python", python, *NEEDED, *OLDEST],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, cwd=tmp_path)
    for tests in TESTS:
        # Old releases warn of old interpreters' ways.
        done = subprocess.run(
            [
                python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default",
                "--basetemp", str(tmp_path / "inner"), "-k", "not versions", *tests,
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stdout[-4000:]
