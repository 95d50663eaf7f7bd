"""Recorders of values that are set and that change by steps."""

from __future__ import annotations

import os

from monagent.metrics.recorders import GONE, HIDDEN, Step, changer
from monagent.store.shard import Shard


def test_a_plain_number_is_the_value_and_a_step_changes_it(shard: Shard) -> None:
    """In whichever order they come."""
    with shard.lock:
        at = shard.series(2, lambda at: b"{}")
    change = changer(shard.mem, at)
    for value in (Step(2), 5.0, Step(1.5), Step(-3)):
        change(value)

    assert shard.mem[0][at] == 3.5


def test_what_is_gone_was_never_set(shard: Shard) -> None:
    """Until it is told again, from zero on."""
    with shard.lock:
        at = shard.series(2, lambda at: b"{}")
    change = changer(shard.mem, at)
    change(4.0)
    told = shard.mem[0][at + 1]
    change(GONE)
    gone = (shard.mem[0][at], shard.mem[0][at + 1])
    change(Step(1))

    assert (told > 0, gone) == (True, (0.0, 0.0))
    assert (shard.mem[0][at], shard.mem[0][at + 1] > 0) == (1.0, True)


def test_what_is_hidden_was_never_set_and_has_its_value_when_it_comes_back(shard: Shard) -> None:
    """By a step, also one of nothing."""
    with shard.lock:
        at = shard.series(2, lambda at: b"{}")
    change = changer(shard.mem, at)
    change(4.0)
    change(HIDDEN)
    hidden = shard.mem[0][at + 1]
    change(Step(0))

    assert hidden == 0.0
    assert (shard.mem[0][at], shard.mem[0][at + 1] > 0) == (4.0, True)


def test_a_forked_child_begins_at_zero(shard: Shard) -> None:
    """Its steps are its own, whatever the parent has."""
    with shard.lock:
        at = shard.series(2, lambda at: b"{}")
    change = changer(shard.mem, at)
    change(5.0)
    read, write = os.pipe()
    if os.fork() == 0:
        change(Step(2))
        os.write(write, str(shard.mem[0][at]).encode())
        os._exit(0)
    os.wait()

    assert (os.read(read, 100), shard.mem[0][at]) == (b"2.0", 5.0)
    os.close(read)
    os.close(write)
