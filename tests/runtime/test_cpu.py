"""CPU time of processes that nobody has looked at, through `monagent run` and a textfile."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.launch.oracle import RUN, Outcome, run, same

SILENT = "import sqlite3\n"
RECORDS = "import logging; logging.getLogger().addHandler(logging.NullHandler())\n"
WORK = """
import os, resource, sys, time

def work(seconds):
    if "logging" in sys.modules:
        sys.modules["logging"].warning("works")
    while sum(os.times()[:2]) < seconds:
        pass
"""
MULTIPROCESSING = """
import multiprocessing  # It is watched if another library is.
forking = multiprocessing.get_context("fork")
for _ in range(3):
    child = forking.Process(target=work, args=(0.33,))
    child.start()
    child.join()
"""
FORK = """
for _ in range(3):
    if not os.fork():
        work(0.33)
        sys.exit()
    os.wait()
"""
SHORT = """
for _ in range(40):
    if not os.fork():
        before = time.process_time()
        while time.process_time() < before + 0.025:
            pass
        sys.exit()
    os.wait()
"""
END = """
work(0.5)
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(time.process_time() + 1.0, sum(one.ru_utime + one.ru_stime for one in used))
"""


def counted(program: str, file: Path) -> tuple[float, Outcome]:
    """The CPU time that the program's processes have had by what is delivered at its end."""
    options = ["--supervise", "--textfile", str(file)]
    found = run(RUN, [sys.executable, "-c", program], options=options)
    families = text_string_to_metric_families(file.read_text())
    samples = [sample for family in families for sample in family.samples]
    name = "process_cpu_time_seconds_total"
    return sum(one.value for one in samples if one.name == name), found


@pytest.mark.parametrize(
    "children", [MULTIPROCESSING, FORK, SHORT], ids=["multiprocessing", "fork", "short"]
)
@pytest.mark.parametrize("records", [SILENT, RECORDS], ids=["silent", "recording"])
def test_a_short_programs_cpu_time_counts_to_its_end(
    records: str, children: str, tmp_path: Path
) -> None:
    """That of its main process and of children that it has forked, also where these record
    nothing."""
    seconds, found = counted(records + WORK + children + END, tmp_path / "numbers.prom")

    assert found.code == 0, found.stderr
    least, most = map(float, found.stdout.split())
    assert 0.95 * least <= seconds <= 1.05 * most


STRANGE = {
    "closed descriptors": "os.closerange(0, 1000)",
    "no descriptor left": "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))",
    "no room": "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
}


@pytest.mark.parametrize("state", STRANGE)
def test_a_child_that_can_leave_no_file_ends_as_it_does_alone(state: str) -> None:
    """Nothing is said, and its exit status stays."""
    program = f"""{WORK}
if not os.fork():
    work(0.1)
    {STRANGE[state]}
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    same([sys.executable, "-c", program])
