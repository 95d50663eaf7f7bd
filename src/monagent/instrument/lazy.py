"""Imports that have not happened yet: from 3.15 on a module may hold promises in place of them.

Only those of a library's own modules are kept early, in modules where something is to be wrapped:
a wrapper needs what it finds there, and the rest stays as lazy as it was meant. See PEP 810.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_POSSIBLE = hasattr(sys, "get_lazy_imports")


def promised(found: object) -> bool:
    """Whether this, out of a module's `vars`, is an import that is still to happen."""
    return _POSSIBLE and type(found).__name__ == "lazy_import"


def settle(module: Any, within: str = "") -> None:
    """Let the imports of `module` happen that are lazy, those from the package `within` alone."""
    if not _POSSIBLE:
        return
    for name, found in list(vars(module).items()):
        # <lazy_import 'requests.models.Response'>
        if promised(found) and within in ("", repr(found).split("'")[1].partition(".")[0]):
            try:
                # Not getattr: by now a submodule of that name may hang there.
                setattr(module, name, found.resolve())
            except Exception:  # It is for whoever needs it to hear of that.
                pass
