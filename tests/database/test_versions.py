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
EVERYWHERE = ["pytest", "hypothesis", "aiosqlite", "asyncpg", "psycopg2-binary"]
ALL = [
    "test_pools.py",
    "test_pool_names.py",
    "test_sqlalchemy.py",
    "test_sqlalchemy_failures.py",
    "test_unchanged.py",
]
OTEL = "opentelemetry-instrumentation-sqlalchemy"
DRIVER = ["test_psycopg.py", "test_psycopg_pool.py"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pins", "files"),
    [
        (["sqlalchemy[asyncio]>=1.4,<1.5"], ALL),
        (
            ["sqlalchemy[asyncio]>=2.0,<2.1", "psycopg[binary]", OTEL],
            [*ALL, "test_sqlalchemy_otel.py"],
        ),
        (["psycopg[binary]>=3.1,<3.2", "psycopg-pool>=3.1,<3.2"], DRIVER),
        (["psycopg[binary]>=3.2,<3.3", "psycopg-pool>=3.2,<3.3"], DRIVER),
    ],
    ids=["sqlalchemy-1.4", "sqlalchemy-2.0", "psycopg-3.1", "psycopg-3.2"],
)
def test_older_versions_are_recorded_alike(
    pins: list[str], files: list[str], tmp_path: Path
) -> None:
    """In an environment of their own, made for the test."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    python = str(tmp_path / "env" / "bin" / "python")
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "env")],
        ["pip", "install", "--python", python, *EVERYWHERE, *pins],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, cwd=tmp_path)
    tests = [str(HERE / file) for file in files]
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
