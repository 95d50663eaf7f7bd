"""The operating system, in a module of our own: the functions of `os` are the program's to replace.

pyfakefs puts a file system of its own wherever a module holds `os`, and tests patch `os.stat`. The
files that numbers are in are real ones.
"""

from __future__ import annotations

import os as shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
else:
    os = type(shared)("monagent.system.os")
    vars(os).update((name, value) for name, value in vars(shared).items() if name[:2] != "__")

__all__ = ["os"]
