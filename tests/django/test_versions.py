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
# Django 3.2 has no release that runs on every Python of ours; it was held by hand, on 3.10.
OLDEST = ["django==4.2", "djangorestframework==3.15.0", "django-ninja==1.0"]
OLDEST += ["django-ratelimit==4.0.0", "whitenoise==6.0.0", "channels==4.0.0", "daphne==4.0.0"]
NEEDED = ["pytest", "wrapt", "opentelemetry-api", "prometheus-client", "websockets"]
FILES = ["test_requests", "test_rest_framework", "test_ninja", "test_ratelimit", "test_whitenoise"]
FILES += ["test_servers"]


@pytest.mark.slow
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
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
    tests = [str(HERE / f"{file}.py") for file in FILES]
    environ = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    # Old releases warn of old interpreters' ways.
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", *tests],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
