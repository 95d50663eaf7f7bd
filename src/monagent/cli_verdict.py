"""What samples say about libraries: which are recorded, how much, and what is missing of the asked.

A library's amount is that of its families: what it shares with another one (FastAPI and Starlette
count the same requests) cannot be told apart, since each request is counted once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monagent import catalogue, cli_list
from monagent.cli_scrape import Sample
from monagent.exporter import naming
from monagent.instrument import status
from monagent.settings import Settings

INFO = "monagent_instrumentation_info"
ERRORS = "monagent_errors_total"
RECORDS = (status.ACTIVE, status.ADOPTED)
SHARDS = ("monagent_shards", "monagent_shards_folded_total")
UNTOUCHED = (
    "no Python of the program has run monagent; frozen ones, PyPy, Pythons without the interpreter "
    "lock and python -I, -E or -S do not"
)


@dataclass
class Row:
    """One library that the program has imported, or that was asked for."""

    library: str
    version: str
    state: str
    reason: str
    recorded: float = 0.0


@dataclass
class Verdict:
    """Rows by library, and sentences about what is missing."""

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def judge(samples: list[Sample], found: Settings, expected: tuple[str, ...]) -> Verdict:
    """Hold the samples against what was asked for, by option or by settings."""
    verdict = Verdict()
    amounts = recorded_by_family(samples)
    families = {library.name: library.records for library in cli_list.libraries()}
    named = asked_for(found, families)
    for sample in samples:
        if sample.name == INFO and sample.value == 1:
            labels = sample.labels
            name = labels.get("library", "")
            amount = sum(amounts.get(family, 0.0) for family in families.get(name, ()))
            version, reason = labels.get("version", ""), labels.get("reason", "")
            row = Row(name, version, labels.get("status", ""), reason, amount)
            if row not in verdict.rows:
                verdict.rows.append(row)
        if sample.name == ERRORS and sample.value:
            component = sample.labels.get("component", "")
            verdict.problems.append(f"monagent failed {sample.value:.0f} times in {component}")
    verdict.rows.sort(key=lambda row: row.library)
    seen = {row.library for row in verdict.rows}
    why = "no process of the program imported it" if reached(samples) else UNTOUCHED
    for name in sorted({*expected, *named} - seen):
        verdict.rows.append(Row(name, "", "not imported", why))
    for row in verdict.rows:
        asked = row.library in expected or row.library in named
        if row.state == status.FAILED or (asked and row.state not in RECORDS):
            verdict.problems.append(f"{row.library} is {row.state}: {row.reason}")
        elif row.library in expected and not row.recorded:
            verdict.problems.append(f"{row.library} is {row.state}, but nothing was recorded")
    return verdict


def reached(samples: list[Sample]) -> bool:
    """Whether any process of the program has begun to record."""
    return any(sample.value for sample in samples if sample.name in SHARDS)


def asked_for(found: Settings, families: dict[str, tuple[str, ...]]) -> set[str]:
    """Libraries that a setting names, not the families that it may name as well."""
    return {name for name in families if found.asked(name)}


def recorded_by_family(samples: list[Sample]) -> dict[str, float]:
    """How much was counted or observed per family of conventions."""
    owners: dict[str, str] = {}
    for family, metric in catalogue.declared():
        name = naming.family(metric.name, metric.kind, naming.unit(metric.unit))
        if metric.kind == "histogram":
            owners[name + "_count"] = family
        elif metric.kind == "counter":
            owners[name + "_total"] = family
    amounts: dict[str, float] = {}
    for sample in samples:
        family = owners.get(sample.name, "")
        amounts[family] = amounts.get(family, 0.0) + sample.value
    return amounts
