"""Waits for the first import of a library that monagent knows, and only then loads the rest.

A program that imports none of them (half of all Pythons are short helpers) saves half the cost.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock

from monagent import guard, where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


PATIENT = frozenset(("multiprocessing", "threading"))
"""Libraries that are watched if another one is: `subprocess` imports them, so every helper does, or
there is little to see in them alone."""

ENTRANCES = {
    "asgiref": "asgiref.wsgi",
    "coverage": "coverage.inorout",
    "http": "http.client",
    "opentelemetry": "opentelemetry.instrumentation.auto_instrumentation",
    "urllib": "urllib.request",
}
"""Packages of which one module alone is watched, which every way in imports: half of all programs
want `urllib.parse`, `http.HTTPStatus` or, with Django, `asgiref.sync`, and shall not pay for what
they do not use."""

ADOPTED = {
    "otel": (
        "opentelemetry.metrics._internal",
        "opentelemetry.metrics._internal.instrument",
        "opentelemetry.sdk.metrics._internal.instrument",
    ),
    "prometheus_client": ("prometheus_client.metrics", "prometheus_client.registry"),
}
"""By the words of MONAGENT_ADOPT, where libraries have what the application records by them."""


class Finder:
    """Stands first in `sys.meta_path` until a name of interest is asked for."""

    def __init__(self, names: frozenset[str], begin: Callable[[], None]) -> None:
        self.names = names
        self.begin: list[Callable[[], None]] = [begin]
        self.real: list[Any] = []
        self.lock = RLock()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the real finder finds, which takes our place now."""
        if name not in self.names and name.partition(".")[0] not in self.names:
            return None
        # Threads that import at the same time wait for the hooks; a second is an age for that.
        locked = self.lock.acquire(timeout=1.0)
        try:
            if self.begin:
                self._begin()
        finally:
            if locked:
                self.lock.release()
        # An import runs through the list as it was: it would pass over what was put first.
        spec: ModuleSpec | None = None
        for finder in self.real:
            spec = finder.find_spec(name, path, target)
        return spec

    def _begin(self) -> None:
        before = list(sys.meta_path)
        try:
            self.begin.pop()()
        except BaseException as error:
            guard.failed("imports", error)
        self.real = [one for one in sys.meta_path[:1] if one not in before]
        if self in sys.meta_path:
            sys.meta_path.remove(self)


def wait(begin: Callable[[], None], adopt: tuple[str, ...] = ()) -> None:
    """Call `begin` when the first known library, or one to `adopt`, is imported, or now if one has
    been."""
    names = known().union(*(ADOPTED[word] for word in adopt))
    if any(name in sys.modules for name in names):
        begin()
    else:
        sys.meta_path.insert(0, Finder(names, begin))


def known() -> frozenset[str]:
    """Names of the libraries with an integration; of some the one module to wait for."""
    try:
        files = os.listdir(os.path.join(where.PACKAGE, "integrations"))
    except OSError:
        return frozenset()
    names = [file[:-3] for file in files if file.endswith(".py") and file[0] != "_"]
    return frozenset([ENTRANCES.get(name, name) for name in names]) - PATIENT
