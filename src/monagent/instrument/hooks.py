"""Import hooks: an integration is loaded when its library is imported, never earlier.

The finder stands first in `sys.meta_path`, asks the finders behind it, and puts an `exec_module`
of its own on the loader *instance* they return: the loader's type, the spec and the module are
the application's, and the instance is as before once the module runs.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, get_ident

from monagent import guard
from monagent.awaiting import ENTRANCES
from monagent.instrument import lasting, lazy, status, targets
from monagent.instrument.library import version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from monagent.instrument.library import Library

PACKAGE = "monagent.integrations"

modes: list[Callable[[str], str]] = []
"""Whether a library is on, off or otel; the agent puts `settings.library` here. Empty: all on."""

others: list[Callable[[str], Callable[[ModuleType], None] | None]] = []
"""Each says of a module that is no library's what is to be done once it has run, if anything."""

_MOST_FOREIGN = 10_000

_integrations: dict[str, ModuleType | None] = {}  # None when it failed
_needed: set[str] = set()
_finder: list[Finder] = []
_asked: set[tuple[int, str, int]] = set()
"""What finders are being asked for, by thread: logfire's asks all others itself, us as well."""

_loading = [RLock()]  # One thread loads; a fork gives the child a lock of its own.
os.register_at_fork(after_in_child=lambda: _loading.__setitem__(0, RLock()))


def install() -> None:
    """Hook imports, and wrap what has been imported already."""
    if _finder:
        return
    finder = Finder(on_disk())
    _finder.append(finder)
    lasting.remember()
    sys.meta_path.insert(0, finder)
    for name, module in sys.modules.copy().items():  # In one step: others import.
        if not _initializing(module):
            imported(name, module)


def uninstall() -> None:
    """Take the hook out and put every wrapped callable back."""
    while _finder:
        finder = _finder.pop()
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    lasting.forget()
    for library in (*targets.targets, *targets.adoptions):
        targets.undo(library)
    _integrations.clear()
    _needed.clear()
    status.known.clear()


def on_disk() -> frozenset[str]:
    """Names of the libraries that have an integration: the files of that folder."""
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), "integrations")
    try:
        files = os.listdir(folder)
    except OSError:
        return frozenset()
    return frozenset(
        file[:-3] for file in files if file.endswith(".py") and not file.startswith("_")
    )


class Finder:
    """A meta path finder that finds nothing by itself."""

    def __init__(self, libraries: frozenset[str]) -> None:
        self.libraries = libraries
        self._foreign: set[str] = set()  # Modules that are no library's: some fail at each call.

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the finders behind would find, its loader prepared to tell us of the module."""
        if name in self._foreign and not others:
            return None
        library = name.partition(".")[0]
        if library == lasting.PACKAGE:
            return lasting.find(name, path)
        if (library not in self.libraries or ENTRANCES.get(library, name) != name) and not (
            others and _of_others(name)
        ):
            if len(self._foreign) < _MOST_FOREIGN:
                self._foreign.add(name)
            return None
        thread = get_ident()
        for finder in self._behind():
            find = getattr(finder, "find_spec", None)
            question = (thread, name, id(finder))
            if find is None or question in _asked:
                continue
            _asked.add(question)
            try:
                spec: ModuleSpec | None = find(name, path, target)
            finally:
                _asked.discard(question)
            if spec is not None:
                _prepare(spec)
                return spec
        return None

    def _behind(self) -> list[Any]:
        finders = [*sys.meta_path]
        return finders[finders.index(self) + 1 :] if self in finders else finders


class _Exec:
    """Stands in for a loader's `exec_module` once. Equal to its like, as loaders compare by it."""

    __slots__ = ("loader", "own")

    def __init__(self, loader: Any, own: Any) -> None:
        self.loader = loader
        self.own = own

    def __call__(self, module: ModuleType) -> None:
        loader = self.loader
        vars(loader).pop("exec_module", None)
        if self.own is not None:
            loader.exec_module = self.own
        began(module.__name__)
        loader.exec_module(module)
        imported(module.__name__, module)
        if others:
            _ran(module)

    def __eq__(self, other: object) -> bool:
        return type(other) is _Exec

    def __hash__(self) -> int:
        return 0


# Warnings of a module that runs are those of whoever imports it, and tracebacks skip what imports:
# both know importlib's own frames by their file. `warnings._is_internal_frame`, CPython's
# `remove_importlib_frames`.
_Exec.__call__.__code__ = _Exec.__call__.__code__.replace(
    co_filename="<frozen importlib._bootstrap_external>"
)


def began(name: str) -> None:
    """A module is about to run: load its library's integration if this is the first."""
    library = name.partition(".")[0]
    try:
        if _watched(library) and _mode(library) != "off":
            with _loading[0]:
                if library not in _integrations:
                    _load(library)
    except BaseException as error:
        guard.failed("imports", error)


def imported(name: str, module: ModuleType) -> None:
    """A module has run: wrap the targets in it."""
    library = name.partition(".")[0]
    if not _watched(library) or ENTRANCES.get(library, name) != name:
        return
    if name not in sys.modules:
        return  # A copy that nobody imports; integrations look for its neighbours by their names.
    began(name)
    try:
        wanted = _mode(library)
        if wanted == "off":
            status.put(library, "", status.OFF, "switched off by a setting")
            return
        integration = _integrations.get(library)
        if integration is None:
            return
        declared: Library = integration.LIBRARY
        whole = sys.modules.get(library, module)
        # A namespace package belongs to nobody.
        named = whole if vars(whole).get("__file__") else module
        version = version_of(declared, named)
        if not declared.supports(version):
            reason = f"found version {version}, expected {declared.versions}"
            status.put(library, version, status.UNSUPPORTED, reason)
        elif wanted == "otel" and library in targets.adoptions:
            _apply(targets.adoptions[library], name, module, version, status.ADOPTED)
        else:
            _apply(targets.targets.get(library, ()), name, module, version, status.ACTIVE)
    except BaseException as error:
        guard.failed("imports", error)


def _of_others(name: str) -> list[Callable[[ModuleType], None]]:
    try:
        return [do for do in [other(name) for other in others] if do is not None]
    except BaseException as error:
        guard.failed("imports", error)
        return []


def _ran(module: ModuleType) -> None:
    try:
        for do in _of_others(module.__name__):
            do(module)
    except BaseException as error:
        guard.failed("imports", error)


def _watched(library: str) -> bool:
    return bool(_finder) and library in _finder[0].libraries


def _mode(library: str) -> str:
    wanted = modes[0](library) if modes else "on"
    return "on" if wanted == "off" and library in _needed else wanted


def _load(library: str) -> None:
    _integrations[library] = None
    try:
        full = f"{PACKAGE}.{library}"
        __import__(full)
        integration = _integrations[library] = sys.modules[full]
        _needed.update(integration.LIBRARY.needs)
        for name, module in sys.modules.copy().items():
            if name.partition(".")[0] in integration.LIBRARY.needs and not _initializing(module):
                imported(name, module)
    except BaseException as error:
        status.put(library, "", status.FAILED, f"{type(error).__name__} in the integration")
        guard.failed(library, error)


def _apply(
    wanted: Sequence[targets.Target], name: str, module: ModuleType, version: str, state: str
) -> None:
    library = name.partition(".")[0]
    here = [target for target in wanted if target.module == name]
    if here:
        lazy.settle(module, library)
    for target in here:
        try:
            if not target.apply(module) and not target.optional:
                status.put(library, version, status.MISSING, f"{target!r} is not there")
        except targets.Unsupported as error:
            status.put(library, version, status.UNSUPPORTED, str(error))
            guard.say(f"{library}: not recorded, since {error}")
        except ImportError as error:
            status.put(library, version, status.MISSING, f"{error.name} is not installed")
            guard.say(f"{library}: not recorded, since {error.name} is not installed")
        except BaseException as error:
            status.put(library, version, status.FAILED, f"{type(error).__name__} at {target!r}")
            guard.failed(library, error)
    status.put(library, version, state)


def _prepare(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    try:
        # Loaders that are classes (built-in, frozen) and old ones without exec_module stay alone.
        if isinstance(loader, type) or not hasattr(loader, "exec_module"):
            return
        if type(loader).__module__ == "zipimport":  # one loader for all modules of the archive
            shared = loader
            spec.loader = loader = object.__new__(type(shared))
            vars(loader).update(vars(shared))
        # Loaders of wrapt before 1.16 and of ddtrace have one of their own on each instance.
        own = vars(loader).get("exec_module")
        if type(own) is not _Exec:
            loader.exec_module = _Exec(loader, own)
    except BaseException as error:
        guard.failed("imports", error)


def _initializing(module: object) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
