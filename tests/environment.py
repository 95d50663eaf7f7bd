"""Environments with other versions than the one that the tests run in, made for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNKNOWN = ("has no wheels with a matching Python", "Failed to build")


def made(folder: Path, *packages: str) -> str:
    """The interpreter of a new environment that has these packages and this monagent.

    Skips the test where uv is missing, or an interpreter is newer than what the packages know.
    """
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    python = str(folder / "env" / "bin" / "python")
    for command in (
        ["venv", "--python", sys.executable, str(folder / "env")],
        ["pip", "install", "--python", python, *packages],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        done = subprocess.run(
            [uv, "--quiet", *command], cwd=folder, capture_output=True, text=True, check=False
        )
        told = [words for words in UNKNOWN if words in done.stderr]
        if done.returncode and told and sys.version_info >= (3, 14):
            pytest.skip(f"one of {packages} does not know this interpreter: {told}")
        assert done.returncode == 0, done.stderr[-4000:]
    return python


def passes(python: str, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Runs pytest there and gives what it said; fails with the end of that."""
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout
