"""`monagent metrics`: the catalogue, made of what the conventions declare."""

from __future__ import annotations

import importlib
import json
import os
import sys

from monagent import conventions, metrics, settings
from monagent.exporter import naming


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


def exposed(metric: metrics.Metric) -> str:
    """The name on the endpoint; of a histogram without `_bucket`, `_count` and `_sum`."""
    name = naming.family(metric.name, metric.kind, naming.unit(metric.unit))
    return name + "_total" if metric.kind == "counter" else name


def declared() -> list[tuple[str, metrics.Metric]]:
    """Every metric with the family that declares it."""
    known: dict[int, str] = {}
    for family in families():
        module = importlib.import_module(f"monagent.conventions.{family}")
        for value in vars(module).values():
            if isinstance(value, metrics.Metric):
                known.setdefault(id(value), family)
    ours = {  # A program that asks for the catalogue may have declared some of its own.
        id(value)
        for name, module in list(sys.modules.items())
        if name.startswith("monagent.")
        for value in vars(module).values()
        if isinstance(value, metrics.Metric)
    }
    made = [
        (known.get(id(metric), "monagent"), metric)
        for metric in metrics.declared()
        if id(metric) in ours
    ]
    return sorted(made, key=lambda pair: pair[0])


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


def families() -> list[str]:
    """The files of conventions/."""
    (folder,) = conventions.__path__
    files = sorted(os.listdir(folder))
    return [file[:-3] for file in files if file.endswith(".py") and not file.startswith("_")]


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
