"""Connections that a queue library made for itself: its own traffic, no work of the program.

Whoever counts what goes over connections of caches, databases or brokers asks `owned` and leaves
those out: a task that waits for its turn in Redis is counted as a job, not as cache operations.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from weakref import WeakSet

MAKERS = ("kombu",)
"""Packages whose pools tell by the class of their connections that they are plumbing."""

_owned: list[WeakSet[Any]] = []


def own(pool: Any) -> None:
    """From here on, what goes over the connections of this pool is plumbing."""
    if not _owned:
        from weakref import WeakSet  # Whoever has a pool has imported it.

        _owned.append(WeakSet())
    _owned[0].add(pool)


def owned(pool: Any) -> bool:
    """Whether a queue library made this pool (as redis-py's `ConnectionPool`) for itself."""
    made_by = getattr(getattr(pool, "connection_class", None), "__module__", "")
    return made_by.partition(".")[0] in MAKERS or bool(_owned and pool in _owned[0])
