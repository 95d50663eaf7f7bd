"""Clocks that the program stops or replaces are the program's alone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from monagent import clock
from tests.launch.oracle import ENV, run
from tests.recorded import counted

FROZEN = """
import sqlite3, time, wsgiref.simple_server
import freezegun

def query():
    connection = sqlite3.connect(":memory:")
    connection.execute("select 1")
    connection.close()

query()
with freezegun.freeze_time("2012-01-14"):
    query()
    print(time.time())
query()
freezegun.freeze_time("2012-01-14").start()
connection = sqlite3.connect(":memory:")
connection.execute("select 1")
"""

MOCKED = """
import time
from unittest import mock

clocks = ("time.time", "time.monotonic", "time.perf_counter")
for clock in clocks:
    mock.patch(clock, side_effect=[1, 2]).start()
import sqlite3, wsgiref.simple_server
for number in range(4):
    connection = sqlite3.connect(":memory:")
    connection.execute("select 1")
print(time.time(), time.monotonic(), time.perf_counter())
print(time.time(), time.monotonic(), time.perf_counter())
"""


@pytest.mark.parametrize("program", [FROZEN, MOCKED], ids=["freezegun", "mock"])
def test_a_program_that_stops_time_notices_nothing_and_is_timed(
    program: str, tmp_path: Path
) -> None:
    """No reading of a mocked clock is used up, and no duration is of forty years."""
    command = [sys.executable, "-c", program]
    state = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")}

    bare = run("bare", command)
    found = run(ENV, command, environ=state)

    assert found == bare
    numbers = counted(tmp_path / "state")
    assert numbers.total("db.client.operation.duration") == 4
    assert 0 < numbers.total("db.client.operation.duration.sum") < 60


def test_our_clocks_are_pythons_and_other_functions() -> None:
    """Whoever looks for Python's by identity does not find them in our modules."""
    for name in clock.__all__:  # `sleep` too, which tests replace.
        ours, pythons = getattr(clock, name), getattr(time, name)

        assert ours is not pythons
        assert type(ours) is type(pythons)
        assert name == "sleep" or pythons() <= ours() <= pythons()


def test_no_module_holds_a_clock_of_pythons(tmp_path: Path) -> None:
    """Statically impossible to see, so a program that uses much is looked at."""
    program = (
        "import sys, time, sqlite3, wsgiref.simple_server, urllib.request, asyncio, logging\n"
        "import requests, httpx, flask, fastapi, sqlalchemy, celery, redis\n"
        "clocks = [id(getattr(time, name)) for name in"
        " ('time', 'time_ns', 'monotonic', 'monotonic_ns', 'perf_counter', 'perf_counter_ns')]\n"
        "print([name for name, module in sys.modules.items() if name.startswith('monagent')\n"
        "       for value in vars(module).values() if id(value) in clocks])\n"
    )
    state = {"MONAGENT_EXPORTER": "off", "MONAGENT_DIR": str(tmp_path / "state")}

    found = run(ENV, [sys.executable, "-c", program], environ=state)

    assert (found.stdout, found.stderr) == (b"[]\n", b"")
