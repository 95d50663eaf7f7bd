"""`monagent run` within a running tree: it joins that, whose exporter is not its own to end."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from monagent import tree
from tests.exporter.running import until
from tests.launch.oracle import ADOPTED, DEADLINE, RUN, environment, run, words

NAMED = (
    "monagent: {}: without effect here, since the exporter of the tree that is running goes on as"
    " it was begun\n"
)
SUPERVISE = "import os; print(os.environ.get('MONAGENT_SUPERVISE'))"


@pytest.mark.parametrize("mode", ADOPTED)
def test_a_supervised_run_within_leaves_the_exporter_to_its_tree(mode: str, tmp_path: Path) -> None:
    """Whose root lives on: here a shell, which may be adopted by its environment alone."""
    state = str(tmp_path / "state")
    inner = words(RUN, [sys.executable, "-c", "pass"], ["--supervise"])
    outer = subprocess.Popen(
        words(mode, ["sh", "-c", 'echo; read go; "$@"; echo; read go; echo end', "sh", *inner]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(mode, {"MONAGENT_DIR": state}),
    )
    assert outer.stdin is not None
    assert outer.stdout is not None
    outer.stdout.readline()
    # Adopted by its environment, the tree begins with its first Python.
    before = until(lambda: tree.exporter_pid(state), "the exporter") if mode == RUN else None
    outer.stdin.write(b"\n")
    outer.stdin.flush()
    outer.stdout.readline()
    after = until(lambda: tree.exporter_pid(state), "the exporter")
    out, _ = outer.communicate(b"\n", timeout=DEADLINE)

    assert before in (None, after)
    assert (out, outer.returncode) == (b"end\n", 0)


@pytest.mark.parametrize(("of_operator", "seen"), [({}, "None"), ({"MONAGENT_SUPERVISE": "0"}, 0)])
def test_to_supervise_is_said_of_one_command(of_operator: dict[str, str], seen: object) -> None:
    """And not of those that run within; what an operator has set for all of them stays."""
    command = [sys.executable, "-c", SUPERVISE]
    found = run(RUN, command, options=["--supervise"], environ=of_operator)

    assert found.stdout.decode() == f"{seen}\n"


@pytest.mark.parametrize("option", ["service-name", "exporter"])
def test_options_that_somebody_before_has_settled_are_named(option: str) -> None:
    """Who serves, and what the service is called; the first to say so is heeded."""
    code = [sys.executable, "-c", "print(1)"]
    value = {"service-name": "inner", "exporter": "thread"}[option]
    inner = words(RUN, code, [f"--{option}", value])
    named = run(RUN, inner, options=["--service-name", "outer", "--exporter", "process"])
    first = run(RUN, inner, options=["--exporter", "thread"])
    second = run(RUN, ["sh", "-c", f'"$1" -c "import sqlite3"; {shlex.join(inner)}', "sh", code[0]])

    assert NAMED.format(f"--{option}") in named.stderr.decode()
    assert "without effect" not in first.stderr.decode()
    assert NAMED.format(f"--{option}") in second.stderr.decode()


def test_lines_of_a_file_that_have_no_effect_are_named(tmp_path: Path) -> None:
    """As options are, for the file is one; those that the program heeds are not."""
    file = tmp_path / "inner.env"
    file.write_text(
        "MONAGENT_PATH=/other\nMONAGENT_PEER_LIMIT=3\n\nOTEL_EXPORTER_OTLP_ENDPOINT=http://[::1]:9/\n"
    )
    inner = words(RUN, [sys.executable, "-c", "print(1)"], ["--config", str(file)])
    found = run(RUN, inner)

    names = "MONAGENT_PATH (inner.env:1), OTEL_EXPORTER_OTLP_ENDPOINT (inner.env:4)"
    assert (found.stdout, found.stderr.decode()) == (b"1\n", NAMED.format(names))


def test_options_that_only_an_exporter_could_heed_are_named(tmp_path: Path) -> None:
    """Those that say what it does already are not, nor those that the program heeds."""
    file = tmp_path / "last.prom"
    inner = words(
        RUN,
        [sys.executable, "-c", "print(1)"],
        ["--textfile", str(file), "--path", "/numbers", "--service-name", "inner"],
    )
    found = run(RUN, inner, options=["--path", "/numbers"])

    assert found.stdout == b"1\n"
    assert found.stderr.decode().partition("\n")[2] == NAMED.format("--textfile")
