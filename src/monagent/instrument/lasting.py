"""Modules of monagent that somebody takes out of sys.modules come back as they were.

`mock.patch.dict(sys.modules)` drops what was imported within it, Datadog's `ddtrace.auto` nearly
all that was imported before it. A second copy of a module of ours would record to nowhere.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder

from monagent.instrument import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

PACKAGE = __name__.partition(".")[0]

_modules: dict[str, ModuleType] = {}


def remember() -> None:
    """From here on: what is there now, and whatever `find` finds."""
    for name, module in sys.modules.copy().items():
        if name.partition(".")[0] == PACKAGE:
            _modules[name] = module
            lazy.settle(module)


def forget() -> None:
    """Let modules be imported anew."""
    _modules.clear()


def find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """The spec of a module of ours, of one that was there before one that gives that back."""
    module = _modules.get(name)
    if module is not None:
        # All at once: importlib hangs each that it loads into its package, over a function there
        # that has the same name.
        for other, known in _modules.items():
            if other != name:
                sys.modules.setdefault(other, known)
        again: Any = _Again(module)
        return ModuleSpec(name, again)
    spec = PathFinder.find_spec(name, path)
    loader: Any = spec.loader if spec else None
    if loader is not None:
        loader.exec_module = _Noting(loader)
    return spec


class _Again:
    """A loader of a module that has run already."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - importlib gives it
        """The module."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing but to put back what importlib has just set."""
        module.__spec__ = self.spec


class _Noting:
    """Stands in for a loader's `exec_module`, and remembers the module that has run."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __call__(self, module: ModuleType) -> None:
        vars(self.loader).pop("exec_module", None)
        self.loader.exec_module(module)
        _modules[module.__name__] = module
        lazy.settle(module)  # What we need is not to be imported in the middle of a request.
