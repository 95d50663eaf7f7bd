"""Whether the program waits for the exporter to end.

We are nobody's child by intention, but the first process of a container (or one that asked for
orphans, see PR_SET_CHILD_SUBREAPER of prctl(2)) becomes our parent without knowing. A program there
that waits until it has no children any more would wait for us, and we for it.
"""

from __future__ import annotations

import os
from collections.abc import Container


class Awaited:
    """Looks at our parent; `proc` is proc(5)."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._before = False

    def look(self, programs: Container[int], own: int, parent: int) -> bool:
        """Whether `parent`, one of these programs, has nobody left to wait for but us (`own`), now
        as at the look before: whom it waits for may just have ended."""
        waits = parent in programs and self._waits(parent, own)
        before, self._before = self._before, waits
        return before and waits

    def _waits(self, pid: int, child: int) -> bool:
        """Whether a thread of `pid` is blocked in a call like wait(2), with this child alone."""
        place = f"{self._proc}/{pid}/task"
        try:
            threads = [f"{place}/{thread}" for thread in os.listdir(place)]
        except OSError:
            return False
        if not any(_text(f"{thread}/wchan") == "do_wait" for thread in threads):
            return False
        children = " ".join([_text(f"{thread}/children") for thread in threads])
        return children.split() == [str(child)]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:  # A thread that has ended, or the kernel does not tell us.
        return ""
