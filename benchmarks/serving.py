"""Servers under load: all variants run, blocks of requests go to them in turn, medians count.

The servers share one core, where one works at a time, and the load comes from another: what it
takes a server to be moved between cores is more than most rows add.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.load import Client
from benchmarks.processes import Program, cpu, listening, on, running
from benchmarks.report import Row, compared, progress
from benchmarks.scenarios import Server
from monagent.demo.exposition import histograms, parse

STARTS = 8  # Fresh processes, since memory layout alone moves a result by some percent.
ROUNDS = 2
DURATION = "http_server_request_duration_seconds"


def measure(scenario: Server, environ: Mapping[str, str]) -> list[Row]:
    """One row per variant: CPU seconds per request."""
    blocks: dict[str, list[list[float]]] = {variant.name: [] for variant in scenario.rows}
    *load, last = sorted(os.sched_getaffinity(0))
    for start in range(STARTS):
        with on(set(load) or {last}), ExitStack() as stack:
            programs = []
            # Which is first may take more, by as much as a row adds: so each is in its turn.
            behind = start % len(scenario.rows)
            for variant in (*scenario.rows[behind:], *scenario.rows[:behind]):
                with on({last}):
                    program = stack.enter_context(running(variant, scenario.command, environ))
                listening(program.port)
                _block(program, scenario)  # Warm: caches, specialised bytecode.
                programs.append(program)
                blocks[variant.name].append([])
            for turn in range(ROUNDS):
                progress(scenario.title, start * ROUNDS + turn + 1, STARTS * ROUNDS)
                for program in programs[:: 1 if turn % 2 else -1]:
                    blocks[program.variant.name][-1].append(_block(program, scenario))
            for program in programs:
                if program.variant.ours:
                    _verify(program, (ROUNDS + 1) * (scenario.requests + scenario.connections))
    return compared(blocks)


def _block(program: Program, scenario: Server) -> float:
    """CPU seconds per request over one block of them."""
    # Connections are new, since servers close idle ones; each has had one request before the clock.
    with Client(program.port, scenario.path, scenario.connections) as client:
        before = cpu(program.pid)
        client.send(scenario.requests)
        return (cpu(program.pid) - before) / scenario.requests


def _verify(program: Program, sent: int) -> None:
    """Raises unless the endpoint counts what was sent: a cheap agent must not be a deaf one."""
    with urllib.request.urlopen(program.endpoint(), timeout=30) as answer:
        samples = list(parse(answer.read().decode()))
    counted = sum(one.count for one in histograms(samples, DURATION, ()).values())
    if counted != sent:
        raise AssertionError(f"monagent counted {counted:.0f} of {sent} requests")
