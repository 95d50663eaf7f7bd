"""Targets: what is wrapped, where it hangs, and how it is put back.

A target is data until its module has been imported; undoing is derived from what was applied.
"""

from __future__ import annotations

import sys

from monagent.instrument.identity import pass_for
from monagent.instrument.lazy import promised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    Maker = Callable[[Any], Any]

_ABSENT: Any = object()
_INTEGRATIONS = "monagent.integrations."
_LATEST = 3  # copies, beside the first, of a module that is imported anew again and again
_LAYERS = 16  # of wrappers that are looked through; some claim to wrap themselves


class Target:
    """One callable of a library and what makes its wrapper.

    Args:
        library: name of the integration that wants it.
        module: full name of the module it is reached through.
        path: attribute path within the module: "Class.method" or "function".
        make: takes the original function, returns the wrapper.
        name: of the function in the integration that stands behind `make`.
        optional: True when some supported version lacks it, or only inherits it.
    """

    __slots__ = ("_done", "library", "make", "module", "name", "optional", "path")

    def __init__(
        self, library: str, module: str, path: str, make: Maker, name: str, optional: bool
    ) -> None:
        self.library = library
        self.module = module
        self.path = path
        self.make = make
        self.name = name
        self.optional = optional
        self._done: list[tuple[Any, str, Any, Any]] = []  # owner, name, what hung there, wrapper

    def __repr__(self) -> str:
        return f"{self.module}:{self.path}"

    def apply(self, module: ModuleType) -> bool:
        """Wrap it. False when the library does not have it."""
        owner: Any = module
        *parents, name = self.path.split(".")
        for parent in parents:  # Not getattr: that would load a lazy module a second time.
            owner = _own(owner, parent)
        hung = _own(owner, name)
        found = _inherited(owner, name) if hung is _ABSENT and not self.optional else hung
        if found is _ABSENT:
            return False
        if self._stands_in(found):
            return True
        self._hang(owner, name, hung, _wrapped(found, self.make))
        return True

    def _hang(self, owner: Any, name: str, hung: Any, wrapper: Any) -> None:
        setattr(owner, name, wrapper)
        self._done.append((owner, name, hung, wrapper))
        del self._done[1:-_LATEST]  # Held by us, what was dropped would never go.

    def _stands_in(self, found: Any) -> bool:
        """Whether ours is what hangs there, or stands below what others have put around it since:
        a loader around another's tells of its module twice."""
        for _ in range(_LAYERS):
            if found is None or any(found is wrapper for *_, wrapper in self._done):
                return found is not None
            found = getattr(found, "__wrapped__", None)
        return False

    def undo(self) -> None:
        """Put back what hung there, unless somebody else has wrapped ours since."""
        while self._done:
            owner, name, hung, wrapper = self._done.pop()
            if _own(owner, name) is not wrapper:
                continue
            if hung is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, hung)


class Substitution(Target):
    """A class or function of a module, whose place what `make` returns takes as it is.

    A module that offers the same object under the same name gets the same substitute.
    """

    __slots__ = ()

    def apply(self, module: ModuleType) -> bool:
        """Put the substitute in place. False when the module does not have the original."""
        found = _own(module, self.path)
        # Another module in this one's place (pysqlite3) has been imported before, unseen by us:
        # a type that is substituted only now would not be that of the objects there are.
        if found is _ABSENT or module.__name__ != self.module:
            return False
        for sibling in targets.get(self.library, ()):
            if sibling.name == self.name:
                for *_, hung, made in sibling._done:
                    if found is hung or found is made:
                        self._hang(module, self.path, hung, made)
                        return True
        self._hang(module, self.path, found, self.make(found))
        return True


class Unsupported(Exception):
    """Raised by a `make` that cannot serve what it found: a sentence for the library's status."""


targets: dict[str, list[Target]] = {}
"""Declared targets by library, in the order of declaration."""

adoptions: dict[str, list[Target]] = {}
"""Targets of the libraries that an OpenTelemetry instrumentor can record, applied instead."""


def replace(module: str, path: str, *, optional: bool = False) -> Callable[[Maker], Maker]:
    """Declare a target whose wrapper is written by hand: the decorated `make(original)` returns it.

    `make` guards its own code; the wrapper takes the original's parameters and gets its looks.
    """
    return _declaring(targets, module, path, optional)


def substitute(module: str, name: str, *, optional: bool = False) -> Callable[[Maker], Maker]:
    """Declare a class, or a C function, whose place what the decorated `make(original)` returns
    takes as it is: for types that cannot be patched."""

    def declare(make: Maker) -> Maker:
        library = library_of(make)
        add(Substitution(library, module, name, make, make.__qualname__, optional))
        return make

    return declare


def replace_override(owner: type, name: str, make: Maker) -> None:
    """As `replace`, now, for a class's own version of a replaced method: for subclasses that
    others have written, which no declaration can name."""
    module = sys.modules.get(owner.__module__)
    path = f"{owner.__qualname__}.{name}"
    library = library_of(make)
    known = any(
        (target.module, target.path) == (owner.__module__, path)
        for target in targets.get(library, ())
    )
    if module is not None and name in vars(owner) and not known:
        replace(owner.__module__, path, optional=True)(make)
        targets[library][-1].apply(module)


def adopt(module: str, path: str, *, optional: bool = False) -> Callable[[Maker], Maker]:
    """As `replace`, for MONAGENT_<LIBRARY>=otel: only these targets are wrapped then."""
    return _declaring(adoptions, module, path, optional)


def add(target: Target, among: dict[str, list[Target]] = targets) -> None:
    """Enter a target; one declared again, by a reloaded integration, takes the old one's place."""
    listed = among.setdefault(target.library, [])
    for number, old in enumerate(listed):
        if (old.module, old.path, old.name) == (target.module, target.path, target.name):
            old.undo()
            listed[number] = target
            return
    listed.append(target)


def undo(library: str) -> None:
    """Put back everything of a library."""
    for among in (targets, adoptions):
        for target in reversed(among.get(library, [])):
            target.undo()


def _declaring(
    among: dict[str, list[Target]], module: str, path: str, optional: bool
) -> Callable[[Maker], Maker]:
    def declare(make: Maker) -> Maker:
        def make_passing(original: Any) -> Any:
            return pass_for(make(original), original)

        name = make.__qualname__
        add(Target(library_of(make), module, path, make_passing, name, optional), among)
        return make

    return declare


def library_of(function: Any) -> str:
    """Name of the integration in which a function was written."""
    module: str = function.__module__
    return module.removeprefix(_INTEGRATIONS)


def _own(owner: Any, name: str) -> Any:
    found = _ABSENT if owner is _ABSENT else vars(owner).get(name, _ABSENT)
    return getattr(owner, name) if promised(found) else found


def _inherited(owner: Any, name: str) -> Any:
    for base in getattr(owner, "__mro__", ())[1:]:
        if name in vars(base):
            return vars(base)[name]
    return _ABSENT


def _wrapped(found: Any, make: Maker) -> Any:
    if isinstance(found, (staticmethod, classmethod)):
        return type(found)(make(found.__func__))
    if isinstance(found, type) or not callable(found):
        raise TypeError(f"found {found!r}, expected a function or method")
    return make(found)
