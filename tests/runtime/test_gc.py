"""Garbage collections are told by generation, with the time for which they stopped the program."""

from __future__ import annotations

import time
from pathlib import Path

from tests.runtime.programs import program

COLLECTING = """
    import gc, {imports}
    gc.disable()
    before = {{at: gc.get_stats()[at]["collections"] for at in range(3)}}
    class Node: pass
    for _ in range(100):
        one, other = Node(), Node()
        one.other, other.other = other, one
    gc.collect(0); gc.collect(1); gc.collect(1); gc.collect(2)
    {last}
"""


def test_each_collection_counts_with_its_pause(tmp_path: Path) -> None:
    """What the program asked for is there, and nothing is uncollectable."""
    text = COLLECTING.format(imports="logging", last="pass")
    counted = program(text, tmp_path).counted

    collections = counted.by("cpython.gc.collections", "cpython.gc.generation")
    assert collections["1"] >= 2
    assert collections["2"] >= 1
    assert counted.by("cpython.gc.duration", "cpython.gc.generation") == collections
    assert counted.total("cpython.gc.duration.sum") > 0
    assert counted.total("cpython.gc.collected_objects") >= 200
    assert counted.total("cpython.gc.uncollectable_objects") == 0


def test_a_program_without_known_libraries_tells_at_its_end_if_it_was_long(tmp_path: Path) -> None:
    """Recording costs a start that a short helper must not pay."""
    for _ in range(20):
        begun = time.monotonic()
        short = program(COLLECTING.format(imports="sys", last="pass"), tmp_path)
        if time.monotonic() - begun < 1:  # It was short indeed.
            break
    long = program(COLLECTING.format(imports="time", last="time.sleep(1.1)"), tmp_path)

    assert short.counted.series == {}
    assert long.counted.total("cpython.gc.collections") >= 4


def test_a_child_tells_of_its_own_collections_only(tmp_path: Path) -> None:
    """What the parent had put by before the fork is told once."""
    text = """
        import gc, os, time
        gc.disable()
        for _ in range(50): gc.collect(1)
        child = os.fork()
        time.sleep(1.1)
        if child:
            os.waitpid(child, 0)
    """
    counted = program(text, tmp_path).counted

    assert 50 <= counted.total("cpython.gc.collections") < 60


def test_a_child_that_python_did_not_fork_tells_of_its_own_as_well(tmp_path: Path) -> None:
    """uWSGI forks without Python's hooks."""
    text = """
        import ctypes, gc, logging, os
        gc.disable()
        for _ in range(50): gc.collect(1)
        child = ctypes.CDLL(None).fork()
        if child:
            os.waitpid(child, 0)
    """
    counted = program(text, tmp_path).counted

    assert 50 <= counted.total("cpython.gc.collections") < 70


def test_numbers_come_while_the_program_runs(tmp_path: Path) -> None:
    """Whatever is recorded tells, every two seconds at most, of the collections until then."""
    text = """
        import gc, os, sqlite3
        gc.disable()
        for _ in range(30): gc.collect(1)
        sqlite3.connect(":memory:").execute("select 1")
        os._exit(0)
    """
    counted = program(text, tmp_path).counted

    assert counted.total("cpython.gc.collections") >= 30
    assert counted.total("cpython.gc.duration") >= 30


def test_a_timeout_that_strikes_in_a_collection_reaches_the_program(tmp_path: Path) -> None:
    """Python runs a signal's handler in the next Python function: it must not be one of gc's."""
    text = """
        import signal, time
        class Late(Exception): pass
        def late(*_): raise Late
        signal.signal(signal.SIGALRM, late)
        heap = [[] for _ in range(200_000)]
        for attempt in range(60):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.002 + attempt / 100_000)
                end = time.monotonic() + 0.5
                while time.monotonic() < end:
                    rows = [[row] for row in range(3_000)]
                print("lost")
            except Late:
                pass
    """
    ended = program(text, tmp_path)

    assert (ended.code, ended.output, ended.errors) == (0, b"", b"")


def test_many_collections_keep_their_counts(tmp_path: Path) -> None:
    """Of a program that records nothing for long, pauses are the last ones'."""
    text = """
        import gc, logging
        gc.disable()
        gc.freeze()
        for _ in range(30_000): gc.collect(0)
    """
    counted = program(text, tmp_path).counted

    assert 30_000 <= counted.total("cpython.gc.collections") < 30_100
    assert 19_900 <= counted.total("cpython.gc.duration") < 20_100


def test_a_destructor_that_works_at_the_very_end_is_not_in_its_way(tmp_path: Path) -> None:
    """What it does is recorded, but nothing can be imported any more that would tell the rest."""
    text = """
        import sqlite3
        class Last:
            database = sqlite3.connect(":memory:")
            def __del__(self): print(self.database.execute("SELECT 1").fetchall())
        last = Last()
    """
    ended = program(text, tmp_path)

    assert (ended.code, ended.output, ended.errors) == (0, b"[(1,)]\n", b"")
    assert ended.counted.total("db.client.operation.duration") == 1


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """MONAGENT_RUNTIME=off: no callback, no number."""
    text = "import gc, logging\nprint(len(gc.callbacks)); gc.collect()"
    off = program(text, tmp_path, environ={"MONAGENT_RUNTIME": "off"})

    assert off.output == b"0\n"
    assert off.counted.total("cpython.gc.collections") == 0
