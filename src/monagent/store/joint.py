"""Joint cells: those that stand for several series at once, see `layout`."""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import Any

from monagent.store import layout

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Joint:
    """`width` cells from `index`: a sum, and a count for each bucket.

    Attributes:
        spread: from which of them on, and the first cell that they are added to.
        counts: a cell, and the factor with which the number of all counts is added to it.
    """

    index: int
    width: int
    spread: Pairs
    counts: Pairs

    @classmethod
    def of(cls, record: dict[str, Any], cells: int) -> Joint:
        """What the record of a shard with so many cells declares; raises KeyError, TypeError and
        ValueError where it lies."""
        index, width = record["joint"], record["width"]
        spread = tuple((first, to) for first, to in record["spread"])
        counts = tuple((to, factor) for to, factor in record["counts"])
        numbers = [index, width, *(number for pair in (*spread, *counts) for number in pair)]
        if not all(type(number) is int for number in numbers):
            raise TypeError(f"found {record}, expected whole numbers")
        wanted = [(index, width), *((to, width - first) for first, to in spread)]
        wanted += [(to, 1) for to, _ in counts]
        start = layout.HEADER_SIZE // 8
        for at, size in wanted:
            if not (start <= at < at + size <= cells and size <= width):
                raise ValueError(f"found {record}, expected cells from {start} to {cells}")
        return cls(index, width, spread, counts)

    def add_to(self, cells: array.array[float]) -> None:
        """Adds to all that they stand for."""
        own = cells[self.index : self.index + self.width]
        number = sum(own[1:])
        if not number:
            return
        told = [(place, value) for place, value in enumerate(own) if value]
        for first, index in self.spread:
            for place, value in told:
                if place >= first:
                    cells[index + place - first] += value
        for index, factor in self.counts:
            cells[index] = max(0.0, cells[index] + number * factor)
