"""coverage.py: lines of monagent are no part of what a program's tests cover.

It leaves out what is installed beside the program, which monagent need not be.
"""

from __future__ import annotations

import os

from monagent import guard, where
from monagent.instrument import Library, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = Library(
    "coverage",
    versions=">=6.2",
    records=("runtime",),
    covers="nothing by itself: monagent's own lines are no part of what it measures",
)

OWN = tuple({each + os.sep for each in (where.PACKAGE, os.path.realpath(where.PACKAGE))})
ASKED = ("source_match", "source_pkgs_match", "include_match")
"""What of its settings names what is to be measured; else it is all but what is installed."""


@replace("coverage.inorout", "InOrOut.check_include_omit_etc")
def judge(original: Any) -> Any:
    def check_include_omit_etc(self: Any, filename: Any, frame: Any) -> Any:
        reason = original(self, filename, frame)
        try:
            return reason or why_not(self, filename)
        except BaseException as error:
            guard.failed("coverage", error)
            return reason

    return check_include_omit_etc


def why_not(judge: Any, filename: str) -> str | None:
    """Why a file is not measured, in coverage's words."""
    if not filename.startswith(OWN):
        return None
    asked = any(getattr(judge, name, None) for name in ASKED)
    return None if asked else "is part of monagent"
