"""A program that waits for all of its children does not wait for the exporter, if that is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monagent.exporter.awaited import Awaited
from tests.launch.oracle import ADOPTED, environment, words

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

first_process = pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="needs pid namespaces (unshare, root)",
)

REAPING = """
import os, sqlite3
sqlite3.connect(":memory:").execute("select 1")
if os.fork() == 0:
    os._exit(0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
print("nobody left")
"""


def put(proc: Path, pid: int, parent: int, blocked: str = "0") -> None:
    """A process in a /proc of our own making."""
    (proc / f"{pid}/task/{pid}").mkdir(parents=True)
    (proc / f"{pid}/stat").write_text(f"{pid} (a) S {parent} " + "0 " * 50)
    (proc / f"{pid}/task/{pid}/wchan").write_text(blocked)


@pytest.mark.parametrize(
    ("blocked", "others", "parent", "expected"),
    [
        ("do_wait", [], 1, True),
        ("do_wait", [7], 1, False),
        ("ep_poll", [], 1, False),
        ("do_wait", [], 2, False),
    ],
)
def test_we_are_in_the_way_of_a_program_that_waits_for_us_alone(
    tmp_path: Path, blocked: str, others: list[int], parent: int, expected: bool
) -> None:
    """Not while it has other children, does something else, or is none of the tree."""
    put(tmp_path, parent, 0, blocked)
    for pid in (9, *others):
        put(tmp_path, pid, parent)
    awaited = Awaited(str(tmp_path))

    assert not awaited.look({1}, 9, parent)
    assert awaited.look({1}, 9, parent) is expected


@first_process
@pytest.mark.parametrize("mode", ADOPTED)
def test_the_first_process_of_a_container_may_wait_for_all_its_children(mode: str) -> None:
    """Orphans are its children there, and the exporter is an orphan."""
    done = subprocess.run(
        [*NAMESPACE, *words(mode, [sys.executable, "-c", REAPING])],
        env=environment(mode),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, b"nobody left\n")
