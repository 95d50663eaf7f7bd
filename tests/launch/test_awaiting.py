"""Waiting for the first known library changes nothing about how it is imported."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import pytest

from monagent import awaiting, dependencies


class Real:
    """Stands for the finder that watches imports; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        self.asked.append(name)
        return PathFinder.find_spec(name, path, target)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package that nobody has imported; the import system is put back afterwards."""
    package = tmp_path / "awaited_library"
    package.mkdir()
    (package / "__init__.py").write_text("from awaited_library import part\n")
    (package / "part.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    yield package.name
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


@pytest.fixture
def real() -> Real:
    return Real()


def wait_for(name: str, real: Real) -> list[int]:
    """Wait for `name`; returns a list that grows at every beginning."""
    begun: list[int] = []

    def begin() -> None:
        begun.append(1)
        sys.meta_path.insert(0, real)

    sys.meta_path.insert(0, awaiting.Finder(frozenset({name}), begin))
    return begun


def waiting() -> bool:
    return any(isinstance(finder, awaiting.Finder) for finder in sys.meta_path)


def test_the_first_import_of_a_known_library_begins_and_is_seen(library: str, real: Real) -> None:
    """The import that begins it all is not missed, nor are those inside it."""
    begun = wait_for(library, real)
    importlib.import_module("json.tool")
    early = list(begun)
    importlib.import_module(library)

    assert (early, begun, waiting()) == ([], [1], False)
    assert real.asked == [library, f"{library}.part"]


def test_eight_threads_begin_once_and_all_are_seen(library: str, real: Real) -> None:
    """Whoever comes at the same time waits for the real finder."""
    begun = wait_for(library, real)
    barrier = threading.Barrier(8)
    missed: list[BaseException] = []

    def run() -> None:
        barrier.wait()
        try:
            importlib.import_module(library)
        except BaseException as error:
            missed.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (begun, missed, real.asked[0]) == ([1], [], library)


def test_find_spec_answers_as_without_us(library: str, real: Real) -> None:
    """Asking for a library without importing it."""
    bare = importlib.util.find_spec(library)
    wait_for(library, real)
    found = importlib.util.find_spec(library)

    assert bare is not None and found is not None
    assert (found.name, found.origin, type(found.loader)) == (
        bare.name,
        bare.origin,
        type(bare.loader),
    )


@pytest.mark.swallows
def test_a_beginning_that_fails_leaves_the_import_alone(
    library: str, swallowed: list[tuple[str, BaseException]]
) -> None:
    """The program imports its library; we stay out."""

    def begin() -> None:
        raise MemoryError

    sys.meta_path.insert(0, awaiting.Finder(frozenset({library}), begin))
    module = importlib.import_module(library)

    assert module.part.__name__ == f"{library}.part"
    assert [component for component, _ in swallowed] == ["imports"]
    assert not waiting()


def test_a_library_that_is_there_already_begins_at_once() -> None:
    """Files of site-packages (.pth) may import before us."""
    begun: list[int] = []
    before = list(sys.meta_path)

    awaiting.wait(lambda: begun.append(1))

    assert begun == [1]  # logging, at least, has been imported by the tests
    assert sys.meta_path == before


def test_a_programs_own_dependency_comes_before_ours(tmp_path: Path) -> None:
    """Our folder is asked last, and only for what we offer."""
    (tmp_path / "wrapt").mkdir()
    (tmp_path / "wrapt" / "__init__.py").write_text("")
    (tmp_path / "other.py").write_text("")
    finder = dependencies.Finder(str(tmp_path))
    offered = finder.find_spec("wrapt")

    assert offered is not None
    assert offered.origin == str(tmp_path / "wrapt" / "__init__.py")
    assert finder.find_spec("other") is None


def test_no_finder_is_needed_where_the_program_looks_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed beside the program, our dependencies are found with its own."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "its")])
    monkeypatch.setattr(dependencies, "_folders", [])
    before = len(sys.meta_path)

    dependencies.offer(str(tmp_path / "its"))
    assert len(sys.meta_path) == before
    for _ in range(2):
        dependencies.offer(str(tmp_path / "ours"))
        assert len(sys.meta_path) == before + 1
