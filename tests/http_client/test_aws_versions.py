"""The oldest botocore and aiobotocore that are covered pass the same tests as the newest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.http_client.aws import URL, aws_server

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OLDEST = ["aiobotocore==2.5.0", "botocore==1.29.76"]


@pytest.mark.slow
def test_the_oldest_clients_of_aws_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, against the same server."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    python = str(tmp_path / "env" / "bin" / "python")
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "env")],
        ["pip", "install", "--python", python, "pytest", "trustme", "wrapt", *OLDEST],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, cwd=tmp_path)
    with aws_server() as url:
        flags = ["-q", "-p", "no:cacheprovider", "-W", "default"]
        # Old releases warn of old interpreters' ways.
        done = subprocess.run(
            [python, "-m", "pytest", *flags, str(HERE / "test_aws.py")],
            cwd=ROOT,
            env={**os.environ, URL: url},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-4000:]
