"""Import hooks load an integration with its library, and imports behave as they did."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import subprocess
import sys
import threading
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from monagent.instrument import hooks, status, targets
from tests.instrument.conftest import INTEGRATION, LIBRARY, NAME
from tests.launch.oracle import ENV, environment
from tests.recorded import counted
from tests.runtime.programs import program

Seen = Callable[[], list[object]]


@pytest.fixture
def hooked(library: Seen) -> Seen:
    """With the hooks in place."""
    hooks.install()
    return library


def integration_loaded() -> bool:
    return f"{hooks.PACKAGE}.{NAME}" in sys.modules


def test_an_integration_is_loaded_with_its_library_and_not_before(hooked: Seen) -> None:
    """Looking for the library's spec is not importing it."""
    importlib.util.find_spec(NAME)
    assert not integration_loaded()

    module = importlib.import_module(NAME)

    assert module.function(3) == 3
    assert hooked() == [(3,)]


def test_a_library_that_was_imported_first_is_watched_as_well(library: Seen) -> None:
    """Hooks that come late patch what is there."""
    module = importlib.import_module(NAME)
    inner = importlib.import_module(f"{NAME}.inner")
    hooks.install()

    module.function(1)
    inner.Class().method(2)

    assert library() == [(1,), (2,)]


def test_specs_and_loaders_are_those_of_a_bare_interpreter(library: Seen) -> None:
    """Type of the loader, its contents, origin, and equality with another spec of the module."""
    bare = importlib.util.find_spec(f"{NAME}.inner")
    hooks.install()
    hooked = importlib.util.find_spec(f"{NAME}.inner")
    module = importlib.import_module(f"{NAME}.inner")

    assert bare is not None and hooked is not None and module.__spec__ is not None
    assert type(hooked.loader) is type(bare.loader)
    assert hooked.origin == bare.origin
    assert hooked == importlib.util.find_spec(f"{NAME}.inner") or NAME in sys.modules
    assert vars(module.__spec__.loader) == vars(bare.loader)


def test_reloading_watches_the_new_functions_once(hooked: Seen) -> None:
    """A reload makes new functions; each call is seen once."""
    module = importlib.reload(importlib.import_module(NAME))

    module.function(1)

    assert hooked() == [(1,)]


def test_copies_of_a_module_go_when_the_program_drops_them(hooked: Seen) -> None:
    """Save the first, which may come back, and the latest; each was watched."""
    name = f"{NAME}.inner"
    dropped = []
    for number in range(20):
        kind = importlib.import_module(name).Class
        kind().method(number)
        dropped.append(weakref.ref(kind))
        del sys.modules[name], kind
    delattr(sys.modules[NAME], "inner")
    gc.collect()

    assert hooked() == [(number,) for number in range(20)]
    assert [found() is not None for found in dropped] == [True, *[False] * 16, *[True] * 3]


def test_a_lazily_loaded_module_is_watched_when_it_loads(hooked: Seen) -> None:
    """LazyLoader runs the module at its first attribute."""
    spec = importlib.util.find_spec(NAME)
    assert spec is not None and spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    assert spec.loader is not None
    spec.loader.exec_module(module)
    assert not integration_loaded()

    assert module.function(5) == 5
    assert hooked() == [(5,)]


def test_modules_of_an_archive_are_watched(
    hooked: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One zipimporter serves all modules of an archive, also those that no hook is for."""
    archive = tmp_path / "library.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in LIBRARY.items():
            packed.writestr(f"{NAME}/{name}", text)
        packed.writestr("neighbour.py", "import madeup_library.inner")
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path])

    importlib.util.find_spec(NAME)
    importlib.import_module("neighbour")
    sys.modules[f"{NAME}.inner"].Class().method(1)
    sys.modules.pop("neighbour")

    assert str(archive) in str(sys.modules[NAME].__file__)
    assert hooked() == [(1,)]


def test_eight_threads_that_import_at_once_see_watched_functions(hooked: Seen) -> None:
    """Nobody gets a module whose targets are not wrapped yet."""
    barrier = threading.Barrier(8)
    problems: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait()
            name = NAME if number % 2 else f"{NAME}.inner"
            module = importlib.import_module(name)
            (module.function if number % 2 else module.Class().method)(number)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert sorted(hooked()) == [(number,) for number in range(8)]  # type: ignore[type-var]


def test_a_warning_of_a_module_is_about_whoever_imports_it(hooked: Seen) -> None:
    """By default Python shows deprecations in `__main__` alone: the place decides who sees them."""
    with pytest.warns(DeprecationWarning, match="old") as seen:
        exec(compile(f"import {NAME}.old", "importing.py", "exec"), {})

    assert [one.filename for one in seen] == ["importing.py"]


def test_a_traceback_passes_over_our_part_of_an_import_as_over_pythons(hooked: Seen) -> None:
    """Who reads it sees the importing file and the imported one."""
    with pytest.raises(ValueError, match="broken") as raised:
        exec(compile(f"import {NAME}.broken", "importing.py", "exec"), {})

    files = [Path(frame.path).name for frame in raised.traceback[1:]]
    assert files == ["importing.py", "broken.py"]


def test_a_copy_without_a_name_is_left_alone(tmp_path: Path) -> None:
    """A module may be executed without standing in sys.modules: nobody imports that one."""
    text = """
        import importlib.util
        spec = importlib.util.find_spec("urllib.request")
        copy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copy)
        import urllib.request
        print(copy.OpenerDirector.open.__code__ is urllib.request.OpenerDirector.open.__code__)
    """
    ended = program(text, tmp_path)

    assert (ended.code, ended.output, ended.errors) == (0, b"False\n", b"")
    assert ended.counted.total("monagent.errors") == 0


def test_a_modules_own_getattr_is_left_alone(hooked: Seen) -> None:
    """And so is the error of a module that fails to import."""
    lazy = importlib.import_module(f"{NAME}.lazy")
    with pytest.raises(ValueError, match="broken") as caught:
        importlib.import_module(f"{NAME}.broken")

    assert lazy.late == 42
    assert caught.traceback[-1].path == Path(sys.modules[NAME].__path__[0]) / "broken.py"
    assert f"{NAME}.broken" not in sys.modules


@pytest.mark.swallows
def test_an_integration_that_fails_leaves_the_import_alone(
    hooked: Seen, tmp_path: Path, swallowed: list[object]
) -> None:
    """The library works, the status says why nothing is recorded."""
    (tmp_path / "integrations" / f"{NAME}.py").write_text("raise RuntimeError('bad')")

    module = importlib.import_module(NAME)

    assert module.function(1) == 1
    assert status.known[NAME].state == status.FAILED
    assert len(swallowed) == 1


@pytest.mark.parametrize(
    ("edit", "state", "reason"),
    [
        (("", ""), status.ACTIVE, ""),
        ((">=1", ">=2"), status.UNSUPPORTED, "found version 1.2, expected >=2"),
        (('"function"', '"gone"'), status.MISSING, "madeup_library:gone is not there"),
    ],
)
def test_the_status_says_what_is_watched_and_why_not(
    hooked: Seen, tmp_path: Path, edit: tuple[str, str], state: str, reason: str
) -> None:
    """By library: version, state and reason."""
    written = INTEGRATION.replace(*edit) if edit[0] else INTEGRATION
    (tmp_path / "integrations" / f"{NAME}.py").write_text(written)

    importlib.import_module(NAME)

    found = status.known[NAME]
    assert (found.version, found.state, found.reason) == ("1.2", state, reason)


def test_a_library_that_is_switched_off_is_not_touched(library: Seen) -> None:
    """Its integration is not even loaded."""
    hooks.modes.append(lambda name: "off")
    try:
        hooks.install()
        importlib.import_module(NAME).function(1)
    finally:
        hooks.modes.clear()

    assert not integration_loaded()
    assert status.known[NAME].state == status.OFF


def test_uninstalling_puts_everything_back(hooked: Seen) -> None:
    """The functions, and the list of finders."""
    module = importlib.import_module(NAME)
    watched = module.function
    hooks.uninstall()

    assert module.function is watched.__wrapped__
    assert not any(type(finder) is hooks.Finder for finder in sys.meta_path)
    assert all(not target._done for target in targets.targets[NAME])


DROPS = {
    "Datadog's ddtrace.auto": """
import sys
there = set(sys.modules)
import logging, sqlite3
for name in set(sys.modules) - there:
    if name.partition(".")[0] != "logging":
        del sys.modules[name]
""",
    "mock.patch.dict": """
import sys
from unittest import mock
with mock.patch.dict(sys.modules):
    import sqlite3, http.client
""",
}


@pytest.mark.parametrize("drop", DROPS)
def test_our_modules_last_whoever_empties_sys_modules(drop: str, tmp_path: Path) -> None:
    """What is imported afterwards is recorded, and nothing is printed."""
    program = DROPS[drop] + (
        "import logging, sqlite3\n"
        "sqlite3.connect(':memory:').execute('select 1')\n"
        "logging.getLogger('x').error('y')\n"
        "import wsgiref.simple_server, http.client\n"
        "try: http.client.HTTPConnection('127.0.0.1', 1).request('GET', '/')\n"
        "except OSError: print('refused')\n"
        "names = [n for n in sys.modules if n.startswith('monagent')]\n"
        "loaders = {type(sys.modules[n].__spec__.loader).__name__ for n in names}\n"
        "print(loaders - {'ExtensionFileLoader'} == {'SourceFileLoader'},"
        " sys.modules['monagent'].agent is sys.modules['monagent.agent'])\n"
    )
    environ = environment(ENV) | {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "s")}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("refused\nTrue True\n", "y\n")
    found = counted(tmp_path / "s")
    assert found.total("db.client.operation.duration") == 1
    assert found.total("log.messages") == 1
    assert found.total("http.client.request.duration") == 1


@pytest.mark.swallows
@pytest.mark.parametrize("fails", ["asked", "done"])
def test_who_looks_at_modules_of_the_program_cannot_fail_their_import(
    fails: str, library: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when asked for a module nor when it has run."""
    (tmp_path / "of_the_program.py").write_text("number = 3")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[str] = []

    def other(name: str) -> Callable[[object], None] | None:
        if name != "of_the_program":
            return None
        seen.append(name)
        if fails == "asked":
            raise ValueError
        return done

    def done(module: object) -> None:
        seen.append(repr(vars(module)["number"]))
        raise ValueError

    monkeypatch.setattr(hooks, "others", [other])
    hooks.install()
    module = importlib.import_module("of_the_program")
    del sys.modules["of_the_program"]

    assert module.number == 3
    assert type(vars(module)["__loader__"]).__name__ == "SourceFileLoader"
    assert set(seen) == ({"of_the_program"} if fails == "asked" else {"of_the_program", "3"})
