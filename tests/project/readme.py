"""The README's tables, made from the code; `python -m tests.project.readme` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from monagent import catalogue, cli_list, settings_names, settings_table
from monagent.metrics import Metric
from monagent.settings_table import Setting
from monagent.store.reader import Instrument

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def filled(text: str) -> str:
    """The page with every table as the code has it now."""
    return TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def settings() -> str:
    """One row per declared setting, and the two families of settings."""
    rows = [
        (
            f"`{setting.name}`" + "".join(f"<br>`{twin}`" for twin, _ in setting.twins),
            setting.sentence,
            _default(setting),
        )
        for setting in settings_table.TABLE
    ]
    also = " and ".join(f"`{name.upper()}`" for name in settings_names.BACK_ENDS)
    rows.append(
        ("`MONAGENT_<LIBRARY>`", f"`on` or `off` for one library; {also} also take `otel`.", "`on`")
    )
    rows.append(
        (
            f"`{settings_table.BUCKETS}<METRIC>`",
            (
                f"Bucket edges, as in `{settings_table.BUCKETS}HTTP_SERVER_REQUEST_DURATION=0.1,1`;"
                " with the unit, as the endpoint names it, too."
            ),
            "",
        )
    )
    return _table(("variable", "meaning", "default"), rows)


def _default(setting: Setting) -> str:
    value = setting.default
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    return f"`{value}`"


def libraries() -> str:
    """One row per integration on disk."""
    return _table(
        ("library", "versions", "what is recorded", "metrics of", "switched off by"),
        (
            (
                f"`{library.name}`",
                f"`{library.versions}`" if library.versions else "with Python",
                library.covers,
                ", ".join(library.records),
                f"`{library.setting}=off`",
            )
            for library in cli_list.libraries()
        ),
    )


def metrics() -> str:
    """One row per metric of the conventions, under the name that Prometheus sees."""
    return _metrics([(metric, metric.labels) for _, metric in catalogue.declared()])


def exporter() -> str:
    """One row per metric that the exporter adds."""
    return _metrics(catalogue.added())


def _metrics(found: Sequence[tuple[Metric | Instrument, tuple[str, ...]]]) -> str:
    return _table(
        ("metric", "type", "labels", "meaning"),
        (
            (
                f"`{catalogue.exposed(metric)}`",
                metric.kind.replace("updowncounter", "gauge"),
                ", ".join(f"`{label.replace('.', '_')}`" for label in labels),
                metric.help,
            )
            for metric, labels in found
        ),
    )


def cost() -> str:
    """The machine and the tables of the benchmark that a reader asks for first."""
    text = RESULTS.read_text()
    machine = next(line for line in text.splitlines() if " cores of " in line)
    wanted = ("FastAPI, hello world", "FastAPI, three", "Flask", "Start of `python -c pass`")
    parts = [part for part in text.split("### ")[1:] if part.startswith(wanted)]
    return "\n".join([machine, "", *(f"### {part.strip()}\n" for part in parts)]).rstrip()


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


TABLES = {
    "settings": settings,
    "libraries": libraries,
    "metrics": metrics,
    "exporter": exporter,
    "cost": cost,
}

if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
