"""`monagent metrics`: the catalogue, made of what the conventions and the exporter declare."""

from __future__ import annotations

import json
import sys

from monagent.catalogue import added, declared, exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.metrics import Metric
    from monagent.store.reader import Instrument


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
    """A row per metric: families in alphabetical order, metrics as declared; then what the exporter
    adds."""
    ours = [_row(made, made.labels, made.buckets, family) for family, made in declared()]
    return ours + [_row(made, labels, made.bounds, "exporter") for made, labels in added()]


def _row(
    metric: Metric | Instrument,
    labels: tuple[str, ...],
    buckets: tuple[float, ...],
    family: str,
) -> dict[str, object]:
    return {
        "name": metric.name,
        "prometheus": exposed(metric),
        "type": metric.kind,
        "unit": metric.unit,
        "labels": list(labels),
        "help": metric.help,
        "buckets": list(buckets),
        "family": family,
    }


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
