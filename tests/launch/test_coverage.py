"""coverage.py and `trace` measure a program under monagent as they measure it alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monagent import where
from monagent.integrations import coverage
from tests.launch.oracle import BARE, ENV, run

PROGRAM = """
import logging, sqlite3, threading
from wsgiref.util import setup_testing_defaults
import flask
app = flask.Flask("program")
@app.get("/")
def hello():
    return "hello"
print(app.test_client().get("/").text)
print(sqlite3.connect(":memory:").execute("select 1").fetchall())
logging.getLogger("program").warning("said")
"""


def report(folder: Path, how: Any, *options: str) -> tuple[int, bytes]:
    """What coverage reports of the program."""
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "coverage"]
    ran = run(how, [*command, "run", *options, "program.py"], cwd=folder)
    assert (ran.code, ran.stdout) == (0, b"hello\n[(1,)]\n"), ran.stderr
    told = subprocess.run(
        [*command, "report"], cwd=folder, capture_output=True, check=False, timeout=60
    )
    return told.returncode, told.stdout


@pytest.mark.parametrize("options", [(), ("--branch",), ("--source", ".")])
def test_a_program_covers_its_own_lines_alone(options: tuple[str, ...], tmp_path: Path) -> None:
    """The same report, and an exit code that says it could be made."""
    bare, ours = (report(tmp_path, how, *options) for how in (BARE, ENV))

    assert ours == bare
    assert (bare[0], b"program.py" in bare[1]) == (0, True)


def test_trace_writes_its_report(tmp_path: Path) -> None:
    """It opens the files of all frames, save of those that say that they have none."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "trace", "--count", "--coverdir", "covered", "program.py"]

    reports = []
    for how in (BARE, ENV):
        ran = run(how, command, cwd=tmp_path)
        assert (ran.code, ran.stdout) == (0, b"hello\n[(1,)]\n"), ran.stderr
        reports.append((tmp_path / "covered" / "program.cover").read_bytes())

    assert reports[1] == reports[0]


@pytest.mark.parametrize(
    ("settings", "measured"),
    [({}, False), ({"source_match": object()}, True), ({"include_match": object()}, True)],
)
def test_monagent_is_measured_where_it_is_asked_for(
    settings: dict[str, object], measured: bool
) -> None:
    """As in its own tests."""
    file = f"{where.PACKAGE}/guard.py"

    found = coverage.judge(lambda *_: None)(SimpleNamespace(**settings), file, None)

    assert (found is None) is measured


@pytest.mark.swallows
def test_coverage_judges_whatever_of_ours_fails(
    swallowed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own reason."""

    def fail(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(coverage, "why_not", fail)

    assert coverage.judge(lambda *_: None)(None, "x.py", None) is None
    assert coverage.judge(lambda *_: "is in the stdlib")(None, "x.py", None) == "is in the stdlib"
    assert [component for component, _ in swallowed] == ["coverage"]
