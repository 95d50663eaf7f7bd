"""The chunks of a shard as its writer sees them."""

from __future__ import annotations

import struct

from monagent.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

FIRST_DESCRIPTORS = 16 * 1024
FIRST_CELLS = 32 * 1024
CHUNK = 64 * 1024
"""Bytes that a shard grows by at least."""


class Region:
    """One chunk: where its room begins, and what is taken up to where."""

    __slots__ = ("end", "kind", "start", "taken")

    def __init__(self, kind: int, start: int, end: int) -> None:
        self.kind = kind
        self.start = start
        self.taken = start
        self.end = end

    def write_head(self, mapping: mmap.mmap) -> None:
        """Declares the chunk: from here on a reader goes through it."""
        at = self.start - layout.CHUNK_HEAD
        struct.pack_into(layout.CHUNK, mapping, at, self.kind, self.end - at)


def first_regions(told: int) -> tuple[Region, ...]:
    """Those of a new shard: descriptors, of which `told` bytes are taken, and cells."""
    start = layout.HEADER_SIZE
    middle = start + FIRST_DESCRIPTORS + (told & ~7)
    end = max(CHUNK, middle + FIRST_CELLS)
    descriptors = Region(layout.DESCRIPTORS, start + layout.CHUNK_HEAD, middle)
    descriptors.taken += told
    return descriptors, Region(layout.CELLS, middle + layout.CHUNK_HEAD, end)
