"""The layers of the code, and what each layer may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "monagent"
# The demonstration is an application, and runs as one.
FILES = [path for path in sorted(SOURCE.rglob("*.py")) if "demo" not in path.parts]
# Loaded only by who asks for OpenTelemetry: meters, OTLP, embedding.
OPENTELEMETRY = {
    "embedding.py", "exporter/otel.py", "exporter/otlp.py", "metrics/instruments.py",
    "metrics/observables.py", "metrics/provider.py", "metrics/views.py",
}  # fmt: skip


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_imports_go_down_the_layers_only() -> None:
    """The import contracts of pyproject.toml hold."""
    # In a process of its own: what other tests have imported confuses it.
    script = (
        "import sys; from importlinter.cli import lint_imports as l; sys.exit(l(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_file_imports_a_library_before_it_is_needed(path: Path) -> None:
    """At module level stands nothing but the standard library and monagent, so that no watched
    library, and none of our own dependencies, is loaded by importing us."""
    tree = ast.parse(path.read_text())

    allowed = sys.stdlib_module_names | {"monagent"}
    if _name(path) in OPENTELEMETRY:
        allowed |= {"opentelemetry"}
    if _name(path) == "exporter/otlp.py":  # What the SDK's exporter is made of is loaded by it.
        allowed |= {"google", "requests"}

    assert {name.partition(".")[0] for name in _imported_at_once(tree)} <= allowed


def _imported_at_once(tree: ast.Module) -> Iterator[str]:
    """Names imported when the module is, those for the type checker alone left out."""
    open_nodes: list[ast.AST] = [tree]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            open_nodes += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        open_nodes += ast.iter_child_nodes(node)
