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


def put(proc: Path, pid: int, threads: dict[str, str]) -> None:
    """A process in a /proc of our own making; threads by what blocks them, with their children."""
    for number, (blocked, children) in enumerate(threads.items()):
        place = proc / f"{pid}/task/{pid + number}"
        place.mkdir(parents=True)
        (place / "wchan").write_text(blocked)
        (place / "children").write_text(children)


@pytest.mark.parametrize(
    ("threads", "parent", "expected"),
    [
        ({"do_wait": "9 "}, 1, True),
        ({"ep_poll": "9 ", "do_wait": ""}, 1, True),
        ({"do_wait": "7 9 "}, 1, False),
        ({"do_wait": "9 ", "ep_poll": "7 "}, 1, False),
        ({"ep_poll": "9 "}, 1, False),
        ({"do_wait": "9 "}, 2, False),
    ],
)
def test_we_are_in_the_way_of_a_program_that_waits_for_us_alone(
    tmp_path: Path, threads: dict[str, str], parent: int, expected: bool
) -> None:
    """Not while it has other children, does something else, or is none of the tree."""
    put(tmp_path, parent, threads)
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
