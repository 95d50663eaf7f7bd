"""Process metrics from a made-up proc(5), and from the real one."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from monagent.exporter.own import Own
from monagent.exporter.processes import Proc, Processes
from monagent.exporter.table import Table
from tests.exporter.forge import REQUESTS, Forged
from tests.exporter.running import exporter, sleeper, until, write_root

TICKS = 100
PAGE = 4096


class MadeUp:
    """A proc(5) in a temporary directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "stat").write_text("cpu  1 2 3\nintr 5\nbtime 1000000\nprocesses 7\n")
        self.proc = Proc(str(root), TICKS, PAGE)

    def process(
        self,
        pid: int,
        start: int = 500,
        cpu: tuple[int, int] = (0, 0),
        resident: int = 0,
        switches: tuple[tuple[int, int], ...] = ((0, 0),),
        disk: tuple[int, int] | None = (0, 0),
        fds: int = 3,
        program: int = 0,
        forks: tuple[int, ...] = (),
    ) -> None:
        """Makes or changes a process; `switches` are those of each thread."""
        home = self.root / str(pid)
        (home / "fd").mkdir(parents=True, exist_ok=True)
        for fd in range(fds):
            (home / "fd" / str(fd)).touch()
        fields = ["0"] * 50
        fields[0] = "S"
        fields[11:13] = map(str, cpu)
        fields[17] = str(len(switches))
        fields[19] = str(start)
        fields[20] = "1000000"
        fields[21] = str(resident)
        fields[45] = str(program)
        (home / "stat").write_text(f"{pid} (a) b (c)) {' '.join(fields)}\n")
        for number, (voluntary, forced) in enumerate(switches):
            task = home / "task" / str(pid + number)
            task.mkdir(parents=True, exist_ok=True)
            (task / "status").write_text(
                f"Name:\tx\nvoluntary_ctxt_switches:\t{voluntary}\n"
                f"nonvoluntary_ctxt_switches:\t{forced}\n"
            )
            children = forks if not number else ()
            (task / "children").write_text("".join(f"{child} " for child in children))
        if disk is not None:
            (home / "io").write_text(f"rchar: 9\nread_bytes: {disk[0]}\nwrite_bytes: {disk[1]}\n")

    def end(self, pid: int) -> None:
        """The process has ended."""
        subprocess.run(["rm", "-r", str(self.root / str(pid))], check=True)


@pytest.fixture
def machine(tmp_path: Path) -> MadeUp:
    """No processes yet."""
    return MadeUp(tmp_path)


def shown(own: Own) -> dict[str, float]:
    """The first cell of each series, by name and attributes."""
    return {
        series.instrument.name + "".join(f" {v}" for v in series.attributes.values()): cells
        for series, cells in ((one, own.cells[one.index]) for one in own._series.values())
    }


def watching(machine: MadeUp) -> tuple[Own, Processes]:
    """A watcher of that machine, ten seconds after the start of a process at tick 500."""
    own = Own(Table(), {})
    return own, Processes(own, machine.proc, lambda: 15.0)


def test_amounts_are_summed_over_the_living(machine: MadeUp) -> None:
    """Names with spaces and brackets are no trouble."""
    machine.process(1, cpu=(100, 50), resident=10, switches=((3, 1), (4, 1)), disk=(512, 1024))
    machine.process(2, start=700, cpu=(1, 2), resident=5, switches=((1, 0),), fds=4)
    own, processes = watching(machine)

    processes.look([(1, 500), (2, 700), (2, 700)])

    assert shown(own) == {
        "process.cpu.time user": 1.01,
        "process.cpu.time system": 0.52,
        "process.context_switches voluntary": 8,
        "process.context_switches involuntary": 2,
        "process.disk.io read": 512,
        "process.disk.io write": 1024,
        "process.memory.usage": 15 * PAGE,
        "process.memory.virtual": 2_000_000,
        "process.thread.count": 3,
        "process.unix.file_descriptor.count": 7,
        "process.uptime": 10.0,
        "process.start_time": 1_000_005.0,
    }


def test_what_the_dead_have_used_stays_and_what_they_held_goes(machine: MadeUp) -> None:
    """A counter never falls, and the start of the oldest stays the start."""
    machine.process(1, cpu=(100, 0), resident=10)
    machine.process(2, start=700, cpu=(7, 0), resident=5)
    own, processes = watching(machine)
    processes.look([(1, 500), (2, 700)])
    machine.end(1)

    processes.look([(2, 700)])

    found = shown(own)
    assert found["process.cpu.time user"] == 1.07
    assert found["process.memory.usage"] == 5 * PAGE
    assert found["process.start_time"] == 1_000_005.0


def test_a_thread_that_ends_takes_no_switches_back(machine: MadeUp) -> None:
    """The kernel tells of living threads only."""
    machine.process(1, switches=((3, 0), (5, 0)))
    own, processes = watching(machine)
    processes.look([(1, 500)])
    machine.end(1)
    machine.process(1, switches=((4, 0),))

    processes.look([(1, 500)])

    assert shown(own)["process.context_switches voluntary"] == 8


def test_a_pid_that_was_given_to_another_process_is_not_ours(machine: MadeUp) -> None:
    """The start time tells."""
    machine.process(1, start=900, cpu=(100, 0))
    own, processes = watching(machine)

    processes.look([(1, 500)])

    assert "process.cpu.time user" not in shown(own)
    assert shown(own)["process.memory.usage"] == 0


def test_what_may_not_be_read_is_left_out(machine: MadeUp) -> None:
    """io belongs to the owner alone; without it the rest is still told."""
    machine.process(1, disk=None, cpu=(1, 1))
    own, processes = watching(machine)

    processes.look([(1, 500)])

    assert "process.disk.io read" not in shown(own)
    assert shown(own)["process.cpu.time user"] == 0.01


def test_a_successor_goes_on_where_the_predecessor_was(machine: MadeUp) -> None:
    """Of the dead it knows only what was written down, and of those that died since as well."""
    machine.process(1, cpu=(100, 0))
    machine.process(2, start=700, cpu=(7, 0))
    machine.process(3, start=800, cpu=(1, 0))
    own, processes = watching(machine)
    processes.look([(1, 500), (2, 700), (3, 800)])
    machine.end(1)
    processes.look([(2, 700), (3, 800)])
    state = processes.state()
    machine.end(2)

    own, successor = watching(machine)
    successor.restore(state)
    successor.look([(3, 800)])

    assert shown(own)["process.cpu.time user"] == 1.08
    assert shown(own)["process.start_time"] == 1_000_005.0


def test_forks_that_record_nothing_are_of_the_tree(machine: MadeUp) -> None:
    """And those that they fork, each once; what runs another program by now is not."""
    machine.process(1, cpu=(1, 0), resident=10, program=77, forks=(2, 3, 5))
    machine.process(2, start=700, cpu=(20, 0), resident=5, program=77, forks=(4,))
    machine.process(3, start=800, cpu=(300, 0), resident=3, program=78, forks=(6,))
    machine.process(4, start=900, cpu=(4000, 0), resident=1, program=77)
    machine.process(6, start=900, cpu=(50000, 0), resident=1, program=78)
    own, processes = watching(machine)

    processes.look([(1, 500), (4, 900)])
    before = shown(own)
    machine.end(4)
    processes.look([(1, 500)])

    assert before["process.cpu.time user"] == 40.21
    assert before["process.memory.usage"] == 16 * PAGE
    assert shown(own)["process.cpu.time user"] == 40.21
    assert shown(own)["process.memory.usage"] == 15 * PAGE


def test_what_a_process_said_at_its_end_counts_once(machine: MadeUp) -> None:
    """Whether it was ever seen or not, and a successor does not count it again."""
    machine.process(1, cpu=(100, 0))
    own, processes = watching(machine)
    processes.look([(1, 500)])
    machine.end(1)
    told = [(1, 500, 1.5, 0.25), (2, 700, 2.0, 0.0), (3, 800, 0.0, 0.0)]
    lies = [(4, 900, math.nan, 0.0), (5, 900, math.inf, 0.0), (6, 900, -1.0, 0.0)]

    for _ in range(2):
        processes.ended([*told, *lies])
        processes.look([])
    found = shown(own)
    again, successor = watching(machine)
    successor.restore(json.loads(json.dumps(processes.state())))
    successor.ended(told)
    successor.look([])

    assert found["process.cpu.time user"] == 3.5
    assert found["process.cpu.time system"] == 0.25
    assert shown(again)["process.cpu.time user"] == 3.5


def test_a_last_word_counts_once_however_late_it_is_read(machine: MadeUp) -> None:
    """The look that found its process gone had counted what was seen of it, and may be the last one
    of this exporter."""
    machine.process(1, cpu=(1, 0), program=77, forks=(2,))
    machine.process(2, start=700, cpu=(100, 0), program=77)
    own, processes = watching(machine)
    processes.look([(1, 500)])
    machine.end(2)
    processes.look([(1, 500)])
    again, successor = watching(machine)
    successor.restore(json.loads(json.dumps(processes.state())))

    for one in (processes, successor):
        one.ended([(2, 700, 1.5, 0.25)])
        one.look([(1, 500)])

    for found in (shown(own), shown(again)):
        assert found["process.cpu.time user"] == 1.51
        assert found["process.cpu.time system"] == 0.25


def test_an_orphan_that_speaks_of_its_time_counts_once(machine: MadeUp) -> None:
    """It was seen while its parent lived; what has its pid by now is another process."""
    machine.process(1, cpu=(1, 0), program=77, forks=(2, 3))
    machine.process(2, start=700, cpu=(100, 0), program=77)
    machine.process(3, start=700, cpu=(10, 0), program=77)
    own, processes = watching(machine)
    processes.look([(1, 500)])
    machine.end(1)
    machine.process(3, start=800, cpu=(5000, 0), program=77)
    processes.look([])
    processes.look([])
    orphaned = shown(own)["process.cpu.time user"]
    machine.end(2)
    processes.ended([(2, 700, 1.5, 0.0)])
    processes.look([])
    processes.ended([(2, 700, 1.5, 0.0)])
    processes.look([])

    assert orphaned == 1.11
    assert shown(own)["process.cpu.time user"] == 1.61


def test_real_processes_are_seen(tmp_path: Path) -> None:
    """Names and labels are those of the conventions, and a replaced exporter keeps the counters."""
    write_root(tmp_path, os.getpid())
    with sleeper() as child:
        Forged(str(tmp_path), [(REQUESTS, {}, [1.0])], info={"python": "3.12.1"})
        Forged(str(tmp_path), [(REQUESTS, {}, [1.0])], pid=child.pid, info={"python": "3.11.7"})
        with exporter(tmp_path) as running:
            first = running.samples()
            running.process.kill()
        child.kill()
        child.wait()
    (tmp_path / "endpoint").unlink()
    with exporter(tmp_path) as running:
        second = until(lambda: _one_left(running.samples()), "the death")

    assert first['process_cpu_time_seconds_total{cpu_mode="user"}'] > 0
    assert first["process_thread_count"] > second["process_thread_count"] >= 1
    assert first["process_memory_usage_bytes"] > second["process_memory_usage_bytes"] > 0
    assert first["process_unix_file_descriptor_count"] > 3
    assert first["process_uptime_seconds"] > 0
    assert first["process_start_time_seconds"] == second["process_start_time_seconds"] > 1e9
    pythons = {name for name in second if name.startswith("python_info")}
    assert pythons == {'python_info{major="3",minor="12",patchlevel="1",version="3.12.1"}'}
    for name in (
        'process_context_switches_total{process_context_switch_type="voluntary"}',
        'process_disk_io_bytes_total{disk_io_direction="write"}',
    ):
        assert second[name] >= first[name] >= 0


def _one_left(found: dict[str, Any]) -> dict[str, Any] | None:
    return found if found["monagent_processes"] == 1 else None
