"""`monagent metrics`: the catalogue, made of what the conventions declare."""

from __future__ import annotations

import json
import sys

from monagent import settings
from monagent.catalogue import declared, exposed


def main(arguments: list[str]) -> int:
    """Print every declared metric."""
    if arguments not in ([], ["--json"], ["--markdown"]):
        print("monagent metrics: expected --json, --markdown or nothing", file=sys.stderr)
        return 2
    rows = catalogue()
    if arguments == ["--json"]:
        print(json.dumps(rows, indent=2))
        return 0
    if arguments == ["--markdown"]:
        print(markdown(rows))
        return 0
    for row in rows:
        labels = _joined(row["labels"])
        print(f"{row['name']} ({row['prometheus']})  {row['type']}, {row['unit'] or '1'}")
        print(f"    {row['help']}")
        if labels:
            print(f"    labels: {labels}")
    return 0


def catalogue() -> list[dict[str, object]]:
    """A row per metric, families in alphabetical order, metrics as declared."""
    return [
        {
            "name": metric.name,
            "prometheus": exposed(metric),
            "type": metric.kind,
            "unit": metric.unit,
            "labels": list(metric.labels),
            "help": metric.help,
            "buckets": list(metric.buckets),
            "family": family,
        }
        for family, metric in declared()
    ]


def misspelt(found: settings.Settings) -> list[str]:
    """Sentences about buckets set for a histogram that is not there, while one of about that name
    is; the program may have others of its own."""
    known = {
        metric.name.replace(".", "_").upper(): metric.name
        for _, metric in declared()
        if metric.kind == "histogram"
    }
    problems = []
    for name in found.edges.keys() - known.keys():
        meant = settings.nearest(name, list(known))
        if meant:
            problems.append(
                f"{settings.BUCKETS}{name}: found no histogram of this name;"
                f" did you mean {settings.BUCKETS}{meant}?"
            )
    return sorted(problems)


def markdown(rows: list[dict[str, object]]) -> str:
    """The catalogue as a table for the README."""
    lines = ["| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
    for row in rows:
        labels = _joined(row["labels"], "`{}`")
        unit = f"`{row['unit']}`" if row["unit"] else ""
        lines.append(f"| `{row['name']}` | {row['type']} | {unit} | {labels} | {row['help']} |")
    return "\n".join(lines)


def _joined(labels: object, form: str = "{}") -> str:
    return ", ".join(form.format(label) for label in labels) if isinstance(labels, list) else ""
