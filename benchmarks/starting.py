"""Start-up: CPU and memory of `python -c pass` and of `python -c "import fastapi"`."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.processes import ROOT, Program, clean, running
from benchmarks.report import progress, table
from benchmarks.variants import BARE, MONAGENT, NOISE, OPENTELEMETRY, Variant
from monagent import where

ROUNDS = 11
PROGRAMS = ("pass", "import fastapi")
IN_TREE = "**monagent**, a process of a running tree"
LAUNCHED = "**monagent**, `monagent run` and the program"
ROWS: dict[str, Variant] = {
    "bare": BARE,
    "bare again (noise)": NOISE,
    IN_TREE: BARE,
    LAUNCHED: MONAGENT,
    "opentelemetry-instrument and the program": OPENTELEMETRY,
}


def measure() -> list[str]:
    """The tables."""
    lines = []
    for program in PROGRAMS:
        found: dict[str, list[tuple[float, float]]] = {row: [] for row in ROWS}
        with ExitStack() as stack:
            tree = stack.enter_context(
                running(MONAGENT, (sys.executable, "-c", "import time; time.sleep(3600)"), {})
            )
            tree.endpoint()
            for turn in range(ROUNDS):
                progress(f"start-up of `{program}`", turn + 1, ROUNDS)
                for row, variant in ROWS.items():
                    joined = adopted(tree) if row in (IN_TREE, LAUNCHED) else {}
                    found[row].append(_once(variant, program, joined, tree.folder))
        lines += _table(program, found)
    return lines


def adopted(tree: Program) -> dict[str, str]:
    """What a process of a running tree finds in its environment."""
    state = next(filter(os.path.isdir, tree.states))
    return {"PYTHONPATH": os.pathsep.join((where.bootstrap(), state))}


def _once(
    variant: Variant, program: str, joined: Mapping[str, str], folder: str
) -> tuple[float, float]:
    """CPU seconds and bytes of memory of one start."""
    code = f"{program}\nprint(open('/proc/self/status').read())"
    own = {key: value.format(port=0, folder=folder) for key, value in variant.environ.items()}
    process = subprocess.Popen(
        [*variant.prefix, sys.executable, "-c", code],
        env={**clean(os.environ), **own, **joined},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        status = process.stdout.read()
    _, code_, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code_)
    memory = re.search(r"VmRSS:\s+(\d+) kB", status)
    if process.returncode or memory is None:
        raise RuntimeError(f"{variant.name}: exit code {process.returncode}")
    return used.ru_utime + used.ru_stime, int(memory[1]) * 1024


def _table(program: str, found: Mapping[str, list[tuple[float, float]]]) -> list[str]:
    medians = {
        row: tuple(map(statistics.median, zip(*pairs, strict=True))) for row, pairs in found.items()
    }
    cpu, memory = medians["bare"]
    return table(
        f"Start of `python -c {program!r}`".replace("'pass'", "pass").replace("'", '"'),
        ("", "CPU", "added", "memory", "added"),
        (
            (
                row,
                f"{used * 1e3:,.1f} ms",
                "" if row == "bare" else f"{(used - cpu) * 1e3:+,.1f} ms",
                f"{held / 1e6:,.1f} MB",
                "" if row == "bare" else f"{(held - memory) / 1e6:+,.1f} MB",
            )
            for row, (used, held) in medians.items()
        ),
    )
