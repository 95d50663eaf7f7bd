"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OLDEST = [
    "python-socketio[asyncio_client]==5.8.0",
    "python-engineio==4.4.1",
    "simple-websocket",
    "uvicorn",
    "werkzeug",
]


@pytest.mark.slow
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    python = str(tmp_path / "env" / "bin" / "python")
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "env")],
        ["pip", "install", "--python", python, "pytest", *OLDEST],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, cwd=tmp_path)
    files = ["test_socketio.py"]
    # Old releases warn of old interpreters' ways.
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"]
        + [str(HERE / file) for file in files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
