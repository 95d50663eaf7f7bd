"""`python -m benchmarks [PART …]`: runs all parts, or those named; all of them make RESULTS.md."""

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
All variants take turns in one run; figures are medians; the second bare row shows the noise.
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
    lines = [*INTRODUCTION.splitlines(), "", *machine.describe()]
    for name in wanted or known:
        made = known[name]()
        print("\n".join(made), flush=True)
        lines += made
    if not wanted:
        RESULTS.write_text("\n".join(lines).rstrip() + "\n")
        print(f"written to {RESULTS.name} after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return 0


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
