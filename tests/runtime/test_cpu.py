"""CPU time of processes that nobody has looked at, through `monagent run` and a textfile."""

from __future__ import annotations

import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.launch.oracle import RUN, run

PROGRAM = """
import logging, multiprocessing, os, time
logging.getLogger().addHandler(logging.NullHandler())

def work(seconds):
    logging.warning("works")
    while sum(os.times()[:2]) < seconds:
        pass

forking = multiprocessing.get_context("fork")
for _ in range(3):
    child = forking.Process(target=work, args=(0.4,))
    child.start()
    child.join()
work(0.5)
print(sum(os.times()[:2]) + 1.2)
"""


def test_a_short_programs_cpu_time_counts_to_its_end(tmp_path: Path) -> None:
    """That of its main process and of children that multiprocessing has forked."""
    file = tmp_path / "numbers.prom"
    found = run(
        RUN, [sys.executable, "-c", PROGRAM], options=["--supervise", "--textfile", str(file)]
    )
    assert found.code == 0, found.stderr

    families = text_string_to_metric_families(file.read_text())
    samples = [sample for family in families for sample in family.samples]
    counted = sum(one.value for one in samples if one.name == "process_cpu_time_seconds_total")
    assert counted >= 0.95 * float(found.stdout)
