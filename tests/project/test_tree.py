"""What is true of every file of the project."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md",
    "benchmarks", "bootstrap", "docker", "pyproject.toml", "src", "tests",
}  # fmt: skip
MOST_LINES = {"src": 330, "bootstrap": 300, "benchmarks": 300, "docker": 300, "tests": 400}
MACHINE = re.compile(r"/(?:root|home|Users)/[a-z]")


def _files() -> list[Path]:
    """Files that belong to the project, as git knows them; all files where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        return [path for path in ROOT.rglob("*.py") if not path.parts[-2].startswith(".")]
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


FILES = _files()
PYTHON = [path for path in FILES if path.suffix == ".py"]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_top_of_the_tree_holds_what_the_design_names() -> None:
    """A new thing finds its place in a folder that is there."""
    found = {path.relative_to(ROOT).parts[0] for path in FILES}

    assert found <= TOP


def test_the_bootstrap_stands_alone_in_its_folder() -> None:
    """PYTHONPATH shows the folder to every Python, so a second file would shadow somebody's."""
    assert [path.name for path in (ROOT / "bootstrap").glob("*.py")] == ["sitecustomize.py"]


@pytest.mark.parametrize("path", PYTHON, ids=_name)
def test_a_file_is_one_idea(path: Path) -> None:
    """It begins with what it is for and is not longer than one sitting."""
    text = path.read_text()

    assert text.count("\n") <= MOST_LINES[path.relative_to(ROOT).parts[0]]
    assert ast.get_docstring(ast.parse(text)) is not None


@pytest.mark.parametrize(
    "path", [path for path in PYTHON if path.name.startswith("test_")], ids=_name
)
def test_every_test_says_what_it_holds(path: Path) -> None:
    """A docstring per test."""
    tests = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]

    assert [test.name for test in tests if not ast.get_docstring(test)] == []


def test_nothing_names_somebodys_machine() -> None:
    """No file carries a path of a home directory."""
    texts = {path: path.read_text(errors="replace") for path in FILES if path.suffix != ".png"}

    assert [_name(path) for path, text in texts.items() if MACHINE.search(text)] == []
