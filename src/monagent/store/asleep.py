"""What stands in the place of a shard's view in a forked child that has not recorded yet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

    from monagent.store.shard import Shard


class Asleep:
    """Reads 0, and the first write makes the child's shard; `note` is what it says at its end if
    there is none, see `used`."""

    __slots__ = ("note", "shard")

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.note: mmap.mmap | None = None

    def __getitem__(self, index: int) -> float:
        return 0.0

    def __setitem__(self, index: int, value: float) -> None:
        # Added, not set: `+=` read 0 above, and another thread may have woken the shard since.
        self.shard.awake()[index] += value


if TYPE_CHECKING:
    View = memoryview[float] | Asleep
