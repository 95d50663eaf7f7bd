"""What an integration declares about its library, and which versions that covers."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


_found: dict[str, str] = {}  # versions read off folders, by the module's file


class Library:
    """One row of the table of what is covered.

    Args:
        name: import name, as in `import fastapi`.
        versions: specifier such as ">=0.100" or ">=2.2,<4"; "" for the standard library.
        records: families that get numbers, names of `conventions/`.
        covers: one sentence for readers: which part of the library is measured.
        distribution: name on the package index where it differs from `name`.
        needs: libraries that must be watched with it, also when only it was enabled.
    """

    __slots__ = ("covers", "distribution", "name", "needs", "records", "versions")

    def __init__(
        self,
        name: str,
        *,
        versions: str,
        records: tuple[str, ...],
        covers: str,
        distribution: str | None = None,
        needs: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.versions = versions
        self.records = records
        self.covers = covers
        self.distribution = distribution or name
        self.needs = needs

    @property
    def setting(self) -> str:
        """The variable that switches it: MONAGENT_FASTAPI."""
        return "MONAGENT_" + self.name.upper()

    def supports(self, version: str) -> bool:
        """Whether the version lies within `versions`; an unreadable version does."""
        found = _numbers(version)
        if not found:
            return True
        return all(_holds(found, clause.strip()) for clause in self.versions.split(",") if clause)


def version_of(library: Library, module: ModuleType) -> str:
    """Version of the imported library, "" when it cannot be told.

    Reads `__version__` past the module's own `__getattr__` (Flask's warns), then the name of the
    installed distribution's folder; `importlib.metadata` would cost 20 ms and import `email`.
    """
    if not library.versions:
        return "{}.{}.{}".format(*sys.version_info)
    version = vars(module).get("__version__")
    if isinstance(version, str):
        return version
    file = vars(module).get("__file__")
    if not isinstance(file, str):
        return ""
    if file not in _found:
        _found[file] = _installed(library.distribution, file)
    return _found[file]


def _installed(distribution: str, file: str) -> str:
    site = os.path.dirname(file)
    if os.path.basename(file).startswith("__init__."):
        site = os.path.dirname(site)
    wanted = distribution.lower().replace("-", "_").replace(".", "_")
    try:
        entries = os.listdir(site)
    except OSError:
        return ""
    for entry in entries:
        if entry.endswith(".dist-info"):
            name, _, version = entry.removesuffix(".dist-info").rpartition("-")
            if name.lower().replace("-", "_").replace(".", "_") == wanted:
                return version
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """(0, 115) of "0.115.0rc1": leading digits of each part, without trailing zeros."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _holds(found: tuple[int, ...], clause: str) -> bool:
    for sign in (">=", "<=", "!=", "==", "<", ">"):
        if clause.startswith(sign):
            wanted = _numbers(clause[len(sign) :].strip())
            return {
                ">=": found >= wanted,
                "<=": found <= wanted,
                "!=": found != wanted,
                "==": found == wanted,
                "<": found < wanted,
                ">": found > wanted,
            }[sign]
    raise ValueError(f"versions: found {clause!r}, expected a sign and a version, as in >=1.0")
