"""Runs short programs with and without monagent."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.recorded import Counted, counted


@dataclass(frozen=True)
class Ended:
    """A program that has ended: what one sees of it, and what it counted."""

    code: int
    output: bytes
    errors: bytes
    counted: Counted


def program(
    text: str, tmp_path: Path, *, adopted: bool = True, environ: dict[str, str] | None = None
) -> Ended:
    """Runs `text` as a file; `environ` are variables beside those of the test run."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(text))
    numbers = tmp_path / "numbers"
    launcher = [sys.executable, "-m", "monagent", "run", "--"] if adopted else []
    done = subprocess.run(
        [*launcher, sys.executable, str(file)],
        env={
            **os.environ,
            "MONAGENT_DIR": str(numbers),
            "MONAGENT_EXPORTER": "off",
            **(environ or {}),
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, counted(numbers))
