"""What tests of the part in C share: random programs run by both parts, and what uses leave."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from monagent.native import part
from tests.environment import COMPILES
from tests.launch.oracle import python

ROOT = Path(__file__).resolve().parents[1]

needed = pytest.mark.skipif(part is None, reason="there is no part in C")
compiled = pytest.mark.skipif(not COMPILES, reason="no compiler, or no Python.h")
on_every_minor = pytest.mark.parametrize("minor", ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"])
"""One file is for all minors."""


def told(program: str, times: int, minor: str) -> dict[str, Any]:
    """What a module tells as JSON of so many random doings, the same by both parts."""
    interpreter = python(minor)
    if interpreter is None:
        pytest.skip(f"no Python {minor} on this machine")
    in_c, in_python = (_told(program, times, interpreter, native) for native in ("on", "off"))

    assert (in_c.pop("native"), in_python.pop("native")) == (True, False)
    assert in_c == in_python
    return in_c


def left(before: Sequence[int], now: Sequence[int], uses: int) -> list[int]:
    """Changes of counts that one in ten uses makes.

    Threads and garbage of other tests change single ones.
    """
    more = [one - earlier for earlier, one in zip(before, now, strict=True)]
    return [change for change in more if abs(change) * 10 >= uses]


def _told(program: str, times: int, interpreter: str, native: str) -> dict[str, Any]:
    environ = {"MONAGENT_NATIVE": native, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [interpreter, "-W", "ignore", "-m", program, str(times)],
        cwd=ROOT, env=os.environ | environ,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
