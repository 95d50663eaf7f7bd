"""In no wrapper does the application's own call run within the guard."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from monagent import integrations

FILES = sorted(Path(integrations.__file__).parent.glob("*.py"))


def guarded_calls(tree: ast.AST) -> list[int]:
    """Lines that call `original` where an error would be taken for ours and swallowed."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Try):
            continue
        keeps = any(
            isinstance(handler.type, ast.Name)
            and handler.type.id == "BaseException"
            and not any(isinstance(inner, ast.Raise) for inner in ast.walk(handler))
            for handler in node.handlers
        )
        if not keeps:
            continue
        for statement in node.body:
            for inner in ast.walk(statement):
                if (
                    isinstance(inner, ast.Call)
                    and isinstance(inner.func, ast.Name)
                    and inner.func.id == "original"
                ):
                    found.append(inner.lineno)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_error_of_the_applications_call_is_never_taken_for_ours(path: Path) -> None:
    """It would be swallowed, and the call made a second time."""
    assert guarded_calls(ast.parse(path.read_text())) == []


def test_the_check_sees_what_it_looks_for() -> None:
    """A wrapper as it must not be."""
    wrong = "try:\n    return original(self)\nexcept BaseException as error:\n    failed(error)\n"

    assert guarded_calls(ast.parse(wrong)) == [2]
    assert guarded_calls(ast.parse(wrong + "    raise\n")) == []
