"""What wrong settings do to a start: one line each, and with MONAGENT_STRICT no start at all."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.launch.oracle import ENV, RUN, run

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'])"


def test_a_wrong_setting_is_said_once_per_tree_and_the_program_runs() -> None:
    """Not again by every child, nor by the program that the launcher became."""
    for mode in (RUN, ENV):
        found = run(mode, [sys.executable, "-c", CHILD], environ={"MONAGENT_SERIES_LIMIT": "many"})

        assert (found.code, found.stdout) == (0, b"1\n")
        assert found.stderr == (
            b"monagent: MONAGENT_SERIES_LIMIT: found 'many', expected a number from 1 to 10000000;"
            b" using 10000\n"
        )


def test_strict_refuses_to_start() -> None:
    """Exit code 2, and nothing of the program has run."""
    for mode in (RUN, ENV):
        found = run(
            mode,
            [sys.executable, "-c", "print('ran')"],
            environ={"MONAGENT_SERIES_LIMIT": "many", "MONAGENT_STRICT": "1"},
        )

        assert (found.code, found.stdout) == (2, b"")
        assert found.stderr.endswith(b"monagent: MONAGENT_STRICT is on: not started\n")
        assert found.stderr.count(b"\n") == 2


def test_no_command_is_wrong_usage() -> None:
    """One line that shows how."""
    found = run(RUN, [])

    assert (found.code, found.stdout) == (2, b"")
    assert found.stderr == b"monagent: expected a command, like: monagent run python app.py\n"


def test_strict_insists_on_a_library_that_was_asked_for(tmp_path: Path) -> None:
    """One that cannot be recorded ends the program in a sentence; without the wish it runs on."""
    (tmp_path / "flask.py").write_text("__version__ = '0.1'\n")
    command = [sys.executable, "-c", "import flask; print('ran')"]
    path = {"PYTHONPATH": str(tmp_path)}
    for mode in (RUN, ENV):
        asked = run(mode, command, environ={**path, "MONAGENT_STRICT": "1", "MONAGENT_FLASK": "on"})
        allowed = run(mode, command, environ={**path, "MONAGENT_STRICT": "1"})

        assert (asked.code, asked.stdout) == (2, b"")
        assert asked.stderr.startswith(b"monagent: flask is unsupported: found version 0.1,")
        assert (allowed.code, allowed.stdout, allowed.stderr) == (0, b"ran\n", b"")
