"""The oracle of every test with real processes: run it with and without monagent, and compare."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monagent import where
from tests.ports import free_port

BARE = "bare"
RUN = "monagent run"
ENV = "variables alone"
ADOPTED = (RUN, ENV)

DEADLINE = 60.0

START_LINE = re.compile(rb"monagent: metrics on http://127\.0\.0\.1:\d+/metrics\n")


@dataclass(frozen=True)
class Outcome:
    """What a shell and a reader of its streams see of a program."""

    code: int
    stdout: bytes
    stderr: bytes


def environment(mode: str, extra: dict[str, str] | None = None) -> dict[str, str]:
    """The surroundings of a program: ours without what pytest or a developer added."""
    dropped = ("PYTHON", "MONAGENT_", "OTEL_", "COV_", "PYTEST_", "VIRTUAL_ENV")
    made = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    made.update(extra or {})
    if mode == ENV:
        before = made.get("PYTHONPATH")
        made["PYTHONPATH"] = where.bootstrap() + (os.pathsep + before if before else "")
        made.setdefault("MONAGENT_PORT", str(free_port()))
    return made


def words(mode: str, command: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    """The command line in that mode."""
    if mode != RUN:
        return list(command)
    # Isolated, so that the launcher's own Python runs no sitecustomize of the test.
    return [sys.executable, "-I", "-m", "monagent", "run", "--port", "0", *options, "--", *command]


def run(
    mode: str,
    command: Sequence[str],
    *,
    environ: dict[str, str] | None = None,
    options: Sequence[str] = (),
    stdin: bytes = b"",
    cwd: Path | None = None,
    preexec: Callable[[], None] | None = None,
) -> Outcome:
    """Run a command to its end; the start line is taken off stderr, and there is at most one."""
    done = subprocess.run(
        words(mode, command, options),
        input=stdin,
        capture_output=True,
        env=environment(mode, environ),
        cwd=cwd,
        timeout=DEADLINE,
        check=False,
        preexec_fn=preexec,
    )
    stderr = START_LINE.sub(b"", done.stderr, count=1) if mode != BARE else done.stderr
    return Outcome(done.returncode, done.stdout, stderr)


def same(
    command: Sequence[str],
    *,
    environ: dict[str, str] | None = None,
    options: Sequence[str] = (),
    stdin: bytes = b"",
    cwd: Path | None = None,
    modes: Sequence[str] = ADOPTED,
) -> Outcome:
    """Assert that the program comes out the same in every mode; returns how."""
    bare = run(BARE, command, environ=environ, stdin=stdin, cwd=cwd)
    for mode in modes:
        adopted = run(mode, command, environ=environ, options=options, stdin=stdin, cwd=cwd)
        assert (mode, adopted) == (mode, bare)
    return bare


def python(version: str) -> str | None:
    """An interpreter of that version (`3.12`), from PATH or pyenv."""
    found = shutil.which(f"python{version}")
    candidates = [found] if found and "shims" not in found else []
    home = Path.home() / ".pyenv" / "versions"
    candidates += [str(one / "bin" / "python") for one in sorted(home.glob(f"{version}.*"))]
    return next((one for one in candidates if os.access(one, os.X_OK)), None)
