"""monagent's own dependencies, for a program that lacks them, never in place of its own.

The finder stands last in `sys.meta_path`: a program's own wrapt, whatever its version, is found
before. Only an adopted OpenTelemetry instrumentor needs more, and puts our folder last on sys.path.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

OFFERED = frozenset({"wrapt"})

_folders: list[str] = []


class Finder:
    """Finds the offered packages in one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in OFFERED:
            return None
        from _frozen_importlib_external import PathFinder

        return PathFinder.find_spec(name, [self.folder], target)


def offer(folder: str) -> None:
    """Let the program's Python find the offered packages in this folder, after all others.

    Where it looks there anyway, no finder is needed, which each import that fails would pay for.
    """
    if folder not in _folders:
        _folders.append(folder)
        if folder not in sys.path:
            sys.meta_path.append(Finder(folder))


def open_all() -> None:
    """Let it find everything there: for OpenTelemetry, whose packages share namespaces."""
    for folder in _folders:
        if folder not in sys.path:
            sys.path.append(folder)
