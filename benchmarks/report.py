"""Tables in Markdown, and the line that shows how far a measurement is."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.variants import BARE, NOISE

Blocks = Sequence[Sequence[float]]
"""CPU seconds of blocks: of every fresh process, what each of its blocks took."""


@dataclass(frozen=True, slots=True)
class Row:
    """One variant's result in seconds: the median, what it adds to bare, and how sure that is."""

    name: str
    seconds: float
    added: float
    doubt: float


def compared(blocks: Mapping[str, Blocks]) -> list[Row]:
    """One row per variant, each against the bare blocks that were measured beside its own.

    A machine is now faster, now slower, for longer than a turn takes: so differences are those of
    one turn. Layout of memory alone moves a process by some percent: so processes are what counts,
    and the standard error is that of a median of them, by their median deviation
    (https://en.wikipedia.org/wiki/Median_absolute_deviation#Relation_to_standard_deviation).
    """
    rows = []
    for name, processes in blocks.items():
        pairs = zip(processes, blocks[BARE.name], strict=True)
        added = [
            statistics.median(one - bare for one, bare in zip(*turns, strict=True))
            for turns in pairs
        ]
        middle = statistics.median(added)
        spread = 1.4826 * statistics.median(abs(one - middle) for one in added)
        every = [block for process in processes for block in process]
        doubt = 1.2533 * spread / len(added) ** 0.5
        rows.append(Row(name, statistics.median(every), middle, doubt))
    return rows


def progress(what: str, step: int, steps: int) -> None:
    """Shows how far it is, on stderr."""
    end = "\n" if step == steps else "\r"
    if sys.stderr.isatty() or step == steps:
        print(f"{what}: {step} of {steps}", end=end, file=sys.stderr, flush=True)


def costs(title: str, rows: Iterable[Row], unit: str) -> list[str]:
    """A table of CPU times with what each adds to the bare row, in microseconds and percent."""
    names = [BARE.name, NOISE.name]
    ordered = sorted(
        rows, key=lambda row: (row.name not in names, row.name not in names[:1], row.seconds)
    )
    bare = ordered[0].seconds
    return table(
        title,
        ("", f"CPU per {unit}", "added", "ratio to bare"),
        (
            (
                f"**{row.name}**" if row.name == "monagent" else row.name,
                f"{row.seconds * 1e6:,.1f} µs",
                ""
                if row.name == BARE.name
                else f"{row.added * 1e6:+,.1f} ± {row.doubt * 1e6:,.1f} µs",
                f"{1 + row.added / bare:.3f}",
            )
            for row in ordered
        ),
    )


def table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A Markdown table under a heading; all columns but the first are numbers."""
    lines = [f"### {title}", "", "| " + " | ".join(head) + " |"]
    lines.append("|---|" + "---:|" * (len(head) - 1))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return [*lines, ""]
