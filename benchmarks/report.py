"""Tables in Markdown, and the line that shows how far a measurement is."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One variant's result in seconds."""

    name: str
    seconds: float


def progress(what: str, step: int, steps: int) -> None:
    """Shows how far it is, on stderr."""
    end = "\n" if step == steps else "\r"
    if sys.stderr.isatty() or step == steps:
        print(f"{what}: {step} of {steps}", end=end, file=sys.stderr, flush=True)


def costs(title: str, rows: Iterable[Row], unit: str) -> list[str]:
    """A table of CPU times with what each adds to the bare row, in microseconds and percent."""
    names = ["bare", "bare again (noise)"]
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
                "" if row.name == "bare" else f"{(row.seconds - bare) * 1e6:+,.1f} µs",
                f"{row.seconds / bare:.3f}",
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
