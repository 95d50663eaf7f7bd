"""The oldest versions of Tornado, Sanic and graphql-core pass the same tests as the newest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OLDEST = ["tornado==6.2", "sanic==23.3.0", "websockets==13.1", "setuptools<80"]
OLDEST += ["graphql-core==3.2.0", "strawberry-graphql<0.230", "ariadne<0.24"]
BESIDE = ["pytest", "wrapt", "opentelemetry-api", "flask", "prometheus-client", "trustme"]
FILES = [
    "test_tornado.py",
    "test_tornado_websockets.py",
    "test_sanic.py",
    "test_sanic_websockets.py",
    "test_graphql.py",
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
        ["pip", "install", "--python", python, *BESIDE, *OLDEST],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, cwd=tmp_path)
    tests = [str(HERE / file) for file in FILES]
    # Old releases warn of old interpreters' ways.
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
