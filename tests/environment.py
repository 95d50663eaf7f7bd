"""Environments with other versions than the one that the tests run in, made for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

COMPILES = (
    shutil.which(sysconfig.get_config_var("CC").split()[0]) is not None
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)
"""Whether what is in C can be built here."""

older_than_the_interpreter = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="these releases know nothing of this interpreter"
)
"""For tests of the oldest versions: there they do not build, hang or fail by themselves."""


def made(folder: Path, *packages: str) -> str:
    """The interpreter of a new environment that has these packages and this monagent.

    Skips the test where uv is missing.
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
        subprocess.run([uv, "--quiet", *command], check=True, cwd=folder)
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
