"""What wrong settings do to a start: one line each, and with MONAGENT_STRICT no start at all."""

from __future__ import annotations

import sys

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
