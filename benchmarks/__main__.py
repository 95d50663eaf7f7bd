"""`python -m benchmarks [PART …]`: runs all parts or those named, and enters them in RESULTS.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import machine, operating, recording, scraping, services, serving, starting
from benchmarks.report import costs
from benchmarks.scenarios import OPERATIONS, SERVERS, Operation, Server

RESULTS = Path(__file__).with_name("RESULTS.md")
INTRODUCTION = """\
# What monagent costs

Written by `make bench`.
CPU is that of the program's own processes, by the kernel's clock.
The rows of a table take turns in one run, and are compared with the bare ones of their turn: the
figures are medians, with the standard error of what is added; the second bare row shows the noise.
Servers and operations run on one core, and their load comes from another.
"""

Part = Callable[[], list[str]]


def parts() -> dict[str, Part]:
    """What can be asked for, by name."""
    found: dict[str, Part] = {}
    for server in SERVERS:
        found[server.key] = lambda one=server: _server(one)  # type: ignore[misc]
    for operation in OPERATIONS:
        found[operation.key] = lambda one=operation: _operation(one)  # type: ignore[misc]
    return {
        **found,
        "record": recording.measure,
        "start": starting.measure,
        "scrape": scraping.measure,
    }


def main(wanted: list[str]) -> int:
    """Runs the parts; returns the exit code."""
    known = parts()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"found {' '.join(unknown)}, expected some of: {' '.join(known)}", file=sys.stderr)
        return 2
    begun = time.monotonic()
    for name in wanted or known:
        made = "\n".join(known[name]())
        print(made, flush=True)
        old = RESULTS.read_text() if RESULTS.exists() else ""
        head = "\n".join([*INTRODUCTION.splitlines(), "", *machine.describe()])
        RESULTS.write_text(head + "\n" + merged(old, made))
    print(f"written to {RESULTS.name} after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 0


def merged(old: str, new: str) -> str:
    """The tables of a results file, those measured anew in the place of their older ones."""
    tables = {}
    for text in (old, new):
        for table in text.split("### ")[1:]:
            tables[table.partition("\n")[0]] = table.strip()
    return "\n\n".join(f"### {table}" for table in tables.values()) + "\n"


def _server(scenario: Server) -> list[str]:
    with ExitStack() as stack:
        environ = services.start(scenario.service, stack)
        if environ is None:
            return services.missing(scenario.title, scenario.service)
        return costs(scenario.title, serving.measure(scenario, environ), "request")


def _operation(scenario: Operation) -> list[str]:
    with ExitStack() as stack:
        environ = services.start(scenario.service, stack)
        if environ is None:
            return services.missing(scenario.title, scenario.service)
        return costs(scenario.title, operating.measure(scenario, environ), "operation")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
