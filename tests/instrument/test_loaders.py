"""Loaders that others put around a module's own work as they do, and tell of it once."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from monagent.instrument import hooks
from tests.instrument.conftest import NAME

Seen = Callable[[], list[object]]


class Chained:
    """As wrapt's before 1.16 and ddtrace's: `exec_module` is an attribute of each instance."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.exec_module = self._exec_module

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module's own loader makes it."""
        return self.loader.create_module(spec)  # type: ignore[no-any-return]

    def _exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        loaded.append(module.__name__)
        function = getattr(module, "function", None)
        if function is not None:
            around = functools.wraps(function)(lambda value: -function(value))
            module.function = around  # type: ignore[attr-defined]


class Finder:
    """Finds by the whole machinery, past itself, as wrapt's and New Relic's do."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> Any:
        """The spec that the others find, with our loader around its own."""
        if not name.startswith(NAME) or name in self.asked:
            return None
        self.asked.add(name)
        try:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.loader is not None:
                chained: Any = Chained(spec.loader)
                spec.loader = chained
            return spec
        finally:
            self.asked.remove(name)


class AskingFinder:
    """Asks all others itself, as logfire's auto-tracing does, and puts itself in their place."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The first spec of another finder."""
        if name.startswith(NAME):
            loaded.append(name)
        for finder in sys.meta_path:
            if not isinstance(finder, AskingFinder):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec if name.startswith(NAME) else None
        return None


loaded: list[str] = []


@pytest.fixture
def finder(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Somebody's import hooks."""
    loaded.clear()
    finder = getattr(request, "param", Finder)()
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)


def install(first: str, finder: Any) -> None:
    """Our import hooks, in front of somebody's or behind."""
    hooks.install()
    if first == "theirs":
        sys.meta_path.remove(finder)
        sys.meta_path.insert(0, finder)


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_import_hooks_of_others_see_each_module_and_calls_are_seen_once(
    first: str, library: Seen, finder: Finder
) -> None:
    """Whoever stands in front: the import works, their patch is there, and ours is there once."""
    install(first, finder)
    inner = importlib.import_module(f"{NAME}.inner")
    result = sys.modules[NAME].function(3)
    inner.Class().method(4)

    assert result == -3
    assert loaded == [NAME, f"{NAME}.inner"]
    assert library() == [(3,), (4,)]
    assert "exec_module" not in vars(vars(sys.modules[NAME])["__loader__"].loader)


@pytest.mark.parametrize("finder", [AskingFinder], indirect=True)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_finder_that_asks_all_others_is_asked_once_at_a_time(
    first: str, library: Seen, finder: AskingFinder
) -> None:
    """Each would ask the other for ever."""
    install(first, finder)
    module = importlib.import_module(NAME)

    assert module.function(3) == 3
    assert library() == [(3,)]
    assert loaded == [NAME]
    assert not hooks._asked


def test_what_fails_at_each_call_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A module that is no library's is known as such, until somebody else wants to hear of some."""
    heard: list[str] = []
    finder = hooks.Finder(frozenset({"sqlite3"}))
    monkeypatch.setattr(hooks, "others", [])

    assert finder.find_spec("colorsys") is None
    assert finder.find_spec("colorsys") is None
    hooks.others.append(heard.append)
    assert finder.find_spec("colorsys") is None
    assert heard == ["colorsys"]
    hooks.others[:] = [lambda _: lambda module: heard.append(module.__name__)]
    spec = finder.find_spec("colorsys")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert heard == ["colorsys", "colorsys"]


def test_there_is_an_end_to_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports names without end has them asked for as before."""
    monkeypatch.setattr(hooks, "_MOST_FOREIGN", 3)
    finder = hooks.Finder(frozenset())

    assert [finder.find_spec(f"no{number}") for number in range(5)] == [None] * 5
    assert len(finder._foreign) == 3
