"""Single operations: CPU of a program that repeats one, each block in a fresh process, in turn.

All of them run on one core, which leaves another to the servers that some ask.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from benchmarks.processes import (
    ROOT,
    clean,
    exporter_ended,
    free_port,
    on,
    running,
    states,
    wait_for,
)
from benchmarks.report import Row, compared, progress
from benchmarks.scenarios import Operation
from benchmarks.scraping import scrape
from benchmarks.variants import MONAGENT, Variant
from monagent.demo.exposition import histograms, parse


def measure(scenario: Operation, environ: Mapping[str, str]) -> list[Row]:
    """One row per variant: CPU seconds per operation."""
    blocks: dict[str, list[list[float]]] = {variant.name: [] for variant in scenario.rows}
    last = max(os.sched_getaffinity(0))
    for turn in range(scenario.rounds):
        progress(scenario.title, turn + 1, scenario.rounds)
        for variant in scenario.rows[:: 1 if turn % 2 else -1]:
            with on({last}):
                blocks[variant.name].append([_block(scenario, variant, environ)])
    _verify(scenario, environ)
    return compared(blocks)


def command(scenario: Operation, times: int) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.apps.{scenario.program}", str(times))


def _block(scenario: Operation, variant: Variant, environ: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        own = {k: v.format(port=free_port(), folder=folder) for k, v in variant.environ.items()}
        program = subprocess.Popen(
            [*variant.prefix, *command(scenario, scenario.times)],
            cwd=ROOT,
            env={**clean(os.environ), **environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        its = states(program.pid)
        said, complained = program.communicate()
        if variant.ours:
            exporter_ended(its)
    if program.returncode:
        raise RuntimeError(f"{scenario.title}, {variant.name}:\n{complained[-3000:]}")
    return float(said.split()[-1])


def _verify(scenario: Operation, environ: Mapping[str, str]) -> None:
    """Raises unless the endpoint counts each operation once."""
    times = scenario.times // 10
    expected = (times + times // 10) * scenario.each
    shell = ("sh", "-c", '"$@"; sleep 3600', "sh", *command(scenario, times))
    with running(MONAGENT, shell, environ) as program:
        url = program.endpoint()

        def counted() -> float:
            samples = list(parse(scrape(url)[1]))
            return sum(one.count for one in histograms(samples, scenario.family, ()).values())

        wait_for(lambda: counted() >= expected, f"{expected} operations on the endpoint")
        if counted() != expected + scenario.beside:
            raise AssertionError(f"monagent counted {counted():.0f} of {expected} operations")
