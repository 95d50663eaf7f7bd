"""niquests passes the table of all clients, in environments of its own.

Its urllib3-future takes urllib3's place in the environment that it is installed into, which is no
place for the other tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NEEDED = ["pytest", "trustme", "wrapt", "hypercorn", "requests"]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["niquests>=3.21", "niquests==3.14.0"])
def test_niquests_is_recorded_as_the_table_says(tmp_path: Path, version: str) -> None:
    """The newest and the oldest, with requests beside them over the same fork of urllib3."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    python = str(tmp_path / "env" / "bin" / "python")
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "env")],
        ["pip", "install", "--python", python, *NEEDED, version],
        ["pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run([uv, "--quiet", *command], check=True, cwd=tmp_path)
    tests = [str(HERE / file) for file in ("test_matrix.py", "test_nesting.py", "in_niquests.py")]
    tests.append(str(ROOT / "tests" / "contract"))
    # Streams that nobody closes warn, as they do without us.
    flags = ["-q", "-p", "no:cacheprovider", "-W", "default", "-k", "niquests"]
    done = subprocess.run(
        [python, "-m", "pytest", *flags, *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
