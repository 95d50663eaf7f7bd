"""What samples say about libraries: which are recorded, how much, and what is missing of the asked.

A library's amount is that of its families, a driver's that of its system: what it shares with
another one (FastAPI and Starlette count the same requests) cannot be told apart, since each request
is counted once. The others are named beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monagent import catalogue, cli_list, units
from monagent.cli_scrape import Sample
from monagent.exporter import naming
from monagent.instrument import status
from monagent.settings import Settings

INFO = "monagent_instrumentation_info"
ERRORS = "monagent_errors_total"
RECORDS = (status.ACTIVE, status.ADOPTED)
OPERATIONS = {
    "http": ("http.server.request.duration",),
    "http_client": ("http.client.request.duration",),
    "database": ("db.client.operation.duration",),
    "jobs": ("job.enqueued", "job.execution"),
    "rpc": ("rpc.server.call.duration", "rpc.client.call.duration"),
    "runtime": ("asyncio.eventloop.delay",),  # Garbage is collected without any library.
}
"""What counts each operation of a family once; of other families all that is counted is told."""

SYSTEMS = {
    "aiosqlite": "sqlite",
    "psycopg": "postgresql",
    "psycopg_pool": "postgresql",
    "sqlite3": "sqlite",
}
"""Of drivers: what `db.system.name` says of their operations."""

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
    beside: tuple[str, ...] = ()  # others that may have recorded it


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
            amount = sum(
                amount
                for (family, system), amount in amounts.items()
                if family in families.get(name, ()) and system in (SYSTEMS.get(name, system), "")
            )
            version, reason = labels.get("version", ""), labels.get("reason", "")
            row = Row(name, version, labels.get("status", ""), reason, amount)
            if row not in verdict.rows:
                verdict.rows.append(row)
        if sample.name == ERRORS and sample.value:
            component = sample.labels.get("component", "")
            verdict.problems.append(f"monagent failed {sample.value:.0f} times in {component}")
    verdict.rows.sort(key=lambda row: row.library)
    _tell_neighbours(verdict.rows, families)
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
    """Libraries that a setting names, not what belongs to none (`errors`, `runtime`)."""
    return {name for name in families if found.asked(name)}


def _tell_neighbours(rows: list[Row], families: dict[str, tuple[str, ...]]) -> None:
    """Name those that record the same kind of work, of the same system."""
    for row in rows:
        system = SYSTEMS.get(row.library)
        row.beside = tuple(
            other.library
            for other in rows
            if other.library != row.library
            and other.state in RECORDS
            and not set(families.get(row.library, ())).isdisjoint(families.get(other.library, ()))
            and (system is None or SYSTEMS.get(other.library, system) == system)
        )


def recorded_by_family(samples: list[Sample]) -> dict[tuple[str, str], float]:
    """How much was counted or observed per family of conventions, and system of a database."""
    owners: dict[str, str] = {}
    for family, metric in catalogue.declared():
        if metric.name not in OPERATIONS.get(family, (metric.name,)):
            continue
        name = naming.family(metric.name, metric.kind, units.unit(metric.unit))
        if metric.kind == "histogram":
            owners[name + "_count"] = family
        elif metric.kind == "counter":
            owners[name + "_total"] = family
    amounts: dict[tuple[str, str], float] = {}
    for sample in samples:
        key = owners.get(sample.name, ""), sample.labels.get("db_system_name", "")
        amounts[key] = amounts.get(key, 0.0) + sample.value
    return amounts
