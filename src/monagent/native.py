"""What is recorded most has a part in C, where that was built: `part`, else None.

It is src/native, `monagent._native` when compiled. What it does is written in Python as well,
beside every use of it: that runs where there is no part in C, and takes whatever is not plain. The
other thing in C is how a program at work starts an exporter that was never its child.
"""

from __future__ import annotations

import sys

from monagent import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_EDGES = 64
"""Of a histogram that is added to in C."""

INTERFACE = 9
"""Of the part in C, as it says itself: another one's was left by another tree."""


def _built() -> Any:
    """The part in C; None where it was not built, is for another interpreter, or is not wanted."""
    if not settings.current().native or "t" in sys.abiflags:  # free-threaded: other objects
        return None
    try:
        from monagent import _native
    except ImportError:
        return None
    return _native if _native.INTERFACE == INTERFACE and _native.is_first() else None


part = _built()
