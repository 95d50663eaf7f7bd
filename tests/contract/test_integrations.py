"""What every integration on disk must be, also those that nobody told this file about."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monagent import conventions, integrations
from monagent.instrument import Library, hooks

FOLDER = Path(integrations.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))
LIBRARIES = sorted(hooks.on_disk())
FAMILIES = {path.stem for path in Path(conventions.__file__).parent.glob("*.py")}

# What the interpreter has imported anyway; the rest must wait for the application.
ALLOWED = {"__future__", "monagent", "os", "sys", "time", "operator", "itertools"}

APPLY = """
import importlib, json, sys
from monagent.instrument import hooks, status, targets
from monagent import awaiting, guard
hooks.install()
hooks.modes.append(lambda name: "on" if name == sys.argv[1] else "off")
library = sys.argv[1]
importlib.import_module(awaiting.ENTRANCES.get(library, library))
wanted = targets.targets.get(library, [])
for target in wanted:
    try:
        importlib.import_module(target.module)
    except ImportError:
        pass
hung = [target for target in wanted if target._done]
missing = [repr(target) for target in wanted if not target._done and not target.optional]
done = [(owner, name, before, wrapper) for t in hung for owner, name, before, wrapper in t._done]
found = status.known[library]
targets.undo(library)
left = [name for owner, name, before, wrapper in done if vars(owner).get(name) is wrapper]
print(json.dumps({
    "applied": len(hung), "missing": missing, "left": left, "state": found.state,
    "reason": found.reason, "version": found.version, "swallowed": guard.counts,
}))
"""


def library(name: str) -> Library:
    """The declaration of an integration."""
    found = importlib.import_module(f"{hooks.PACKAGE}.{name}").LIBRARY
    assert isinstance(found, Library)
    return found


def installed(name: str) -> bool:
    """Whether the library is there, without importing it."""
    return importlib.util.find_spec(name) is not None


def applied(name: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """What came of importing the library's modules under the hooks, as JSON."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", APPLY, name],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(["src", *sys.path]),
            "DJANGO_SETTINGS_MODULE": "django.conf.global_settings",  # Its libraries ask for some.
            **environ,
        },
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_integration_imports_a_watched_library_at_module_level(path: Path) -> None:
    """Statically: loading an integration must not import what the application has not."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found.add(str(node.module).partition(".")[0])
    heavy = {"asyncio", "concurrent", "socket", "ssl", "threading", "urllib3"}

    assert found & (set(LIBRARIES) | heavy) == set()
    assert found <= set(sys.stdlib_module_names) | ALLOWED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    """A docstring on top, one idea's worth of lines."""
    text = path.read_text()

    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 300


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_integration_declares_its_library(name: str) -> None:
    """Name, a readable specifier, known families, one sentence; an upper case setting."""
    declared = library(name)

    assert declared.name == name
    assert declared.supports("9999") in (True, False)
    assert declared.records and set(declared.records) <= FAMILIES
    assert declared.covers and "\n" not in declared.covers
    assert declared.setting == f"MONAGENT_{name.upper()}"


@pytest.mark.parametrize("name", LIBRARIES)
def test_targets_exist_and_undoing_restores_them(name: str) -> None:
    """In the installed version: everything applies, nothing is swallowed, nothing stays."""
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    answer = applied(name)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)

    assert found["applied"] > 0
    assert (found["missing"], found["left"], found["swallowed"]) == ([], [], {})
    assert (found["state"], found["reason"]) == ("active", "")
    assert found["version"]
    assert library(name).supports(found["version"])


@pytest.mark.skipif(not hasattr(sys, "get_lazy_imports"), reason="imports are lazy since 3.15")
@pytest.mark.parametrize("name", LIBRARIES)
def test_targets_are_wrapped_where_all_imports_are_lazy(name: str) -> None:
    """A module's neighbours may not have run then, and its names be promises."""
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    answer = applied(name, PYTHON_LAZY_IMPORTS="all")
    if "object has no attribute" in answer.stderr:
        pytest.skip(f"{name} cannot be imported so: {answer.stderr[-200:]}")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)

    assert (found["missing"], found["left"], found["swallowed"]) == ([], [], {})
    assert found["state"] == "active"
