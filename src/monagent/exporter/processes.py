"""What the kernel knows of the tree's processes, read from proc(5) so that they pay nothing for it.

Amounts are summed over the living.  Times and counts keep what a process had when it was last seen,
or said of itself at its end, so the sums never fall; `state` carries them over to an exporter that
takes this one's place.  Children that run on where a process has forked are of the tree, whether
they record or not.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from monagent.exporter.own import Own
from monagent.store.reader import Instrument

CPU = Instrument("process.cpu.time", "counter", "s", "CPU time that the processes used.")
SWITCHES = Instrument(
    "process.context_switches", "counter", "{context_switch}", "Context switches of the processes."
)
DISK = Instrument(
    "process.disk.io", "counter", "By", "Bytes that the processes read from or wrote to storage."
)
MEMORY = Instrument(
    "process.memory.usage",
    "updowncounter",
    "By",
    "Physical memory in use, summed over the processes; pages they share count in each.",
)
VIRTUAL = Instrument(
    "process.memory.virtual", "updowncounter", "By", "Virtual memory reserved by the processes."
)
THREADS = Instrument(
    "process.thread.count", "updowncounter", "{thread}", "Threads of the processes."
)
DESCRIPTORS = Instrument(
    "process.unix.file_descriptor.count",
    "updowncounter",
    "{file_descriptor}",
    "File descriptors that the processes have open.",
)
UPTIME = Instrument("process.uptime", "gauge", "s", "Time since the oldest process started.")
START = Instrument(
    "process.start_time", "gauge", "s", "When the oldest process started, unix time."
)
COUNTED = {
    "user": (CPU, {"cpu__mode": "user"}),
    "system": (CPU, {"cpu__mode": "system"}),
    "voluntary": (SWITCHES, {"process__context_switch__type": "voluntary"}),
    "involuntary": (SWITCHES, {"process__context_switch__type": "involuntary"}),
    "read": (DISK, {"disk__io__direction": "read"}),
    "write": (DISK, {"disk__io__direction": "write"}),
}
"""What never falls: its series, by our short name."""

INSTRUMENTS = {
    CPU: ("cpu.mode",),
    SWITCHES: ("process.context_switch.type",),
    DISK: ("disk.io.direction",),
    MEMORY: (),
    VIRTUAL: (),
    THREADS: (),
    DESCRIPTORS: (),
    UPTIME: (),
    START: (),
}
"""All of them, with the labels of each."""


@dataclass
class Seen:
    """One process: numbers that only grow (CPU in clock ticks), and amounts of this moment."""

    start_ticks: int
    program: int = 0
    """Where its arguments lie: another place for each program, the same for what it forks."""
    counts: dict[str, int] = field(default_factory=dict)
    amounts: dict[Instrument, int] = field(default_factory=dict)
    children: list[int] = field(default_factory=list)


class Proc:
    """proc(5), mounted at `root`."""

    def __init__(
        self,
        root: str = "/proc",
        ticks: int = os.sysconf("SC_CLK_TCK"),
        page: int = os.sysconf("SC_PAGE_SIZE"),
    ) -> None:
        self.root = root
        self.ticks = ticks
        self.page = page

    def see(self, pid: int) -> Seen | None:
        """The process as it is now; None when it is gone. What may not be read is left out."""
        stat = self._read(f"{pid}/stat")
        # The name before the bracket may hold anything, brackets too.
        fields = stat[stat.rfind(")") + 2 :].split()
        if len(fields) < 22:
            return None
        seen = Seen(int(fields[19]), int(fields[45]) if len(fields) > 45 else 0)
        seen.counts = {"user": int(fields[11]), "system": int(fields[12])}
        seen.amounts = {
            THREADS: int(fields[17]),
            VIRTUAL: int(fields[20]),
            MEMORY: int(fields[21]) * self.page,
        }
        try:
            seen.amounts[DESCRIPTORS] = len(os.listdir(f"{self.root}/{pid}/fd"))
        except OSError:
            pass
        self._threads(pid, seen)
        for name, short in (("read_bytes", "read"), ("write_bytes", "write")):
            value = _value(self._read(f"{pid}/io"), name)
            if value is not None:
                seen.counts[short] = value
        return seen

    def runs(self, key: str) -> bool:
        """Whether this process (its pid, a colon, its start in clock ticks) is still there."""
        pid, _, ticks = key.partition(":")
        stat = self._read(f"{pid}/stat")
        fields = stat[stat.rfind(")") + 2 :].split()
        return len(fields) >= 22 and ticks in (fields[19], "0")

    def _threads(self, pid: int, seen: Seen) -> None:
        """The status file of a process speaks of its first thread only, so all are asked; children
        are those of the thread that made them."""
        try:
            threads = os.listdir(f"{self.root}/{pid}/task")
        except OSError:
            return
        for thread in threads:
            status = self._read(f"{pid}/task/{thread}/status")
            for name, short in (
                ("voluntary_ctxt_switches", "voluntary"),
                ("nonvoluntary_ctxt_switches", "involuntary"),
            ):
                value = _value(status, name)
                if value is not None:
                    seen.counts[short] = seen.counts.get(short, 0) + value
            seen.children += map(int, self._read(f"{pid}/task/{thread}/children").split())

    def waiting(self, pid: int) -> dict[int, int]:
        """Connections that wait at listening TCP sockets, by inode: all of the process's network.

        The kernel lists those first that listen, and nobody pays for the others.
        """
        found: dict[int, int] = {}
        for table in ("tcp", "tcp6"):
            try:
                with open(f"{self.root}/{pid}/net/{table}", "rb") as file:
                    file.readline()
                    for line in file:
                        words = line.split()
                        if words[3] != b"0A":  # TCP_LISTEN
                            break
                        # tx_queue:rx_queue; the latter is sk_ack_backlog of a socket that listens.
                        found[int(words[9])] = int(words[4].partition(b":")[2], 16)
            except (OSError, LookupError, ValueError):
                continue
        return found

    def sockets(self, pid: int) -> list[int]:
        """The inodes of all sockets of a process; none where it may not be asked."""
        found = []
        try:
            for name in os.listdir(f"{self.root}/{pid}/fd"):
                with contextlib.suppress(OSError):  # It has closed it meanwhile.
                    what, _, inode = os.readlink(f"{self.root}/{pid}/fd/{name}").partition(":[")
                    if what == "socket":
                        found.append(int(inode.rstrip("]")))
        except OSError:
            pass
        return found

    def network(self, pid: int) -> str:
        """What names the process's network namespace; the process itself where that is hidden."""
        try:
            return os.readlink(f"{self.root}/{pid}/ns/net")
        except OSError:
            return str(pid)

    def boot(self) -> float:
        """When the machine started, unix seconds; 0 if that cannot be told."""
        value = _value(self._read("stat").replace("btime ", "btime:\t"), "btime")
        return float(value or 0)

    def _read(self, name: str) -> str:
        try:
            with open(f"{self.root}/{name}", "rb") as file:
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def _value(text: str, name: str) -> int | None:
    """The number behind `name:` at the start of a line."""
    at = 0 if text.startswith(name + ":") else text.find(f"\n{name}:") + 1
    if not at and not text.startswith(name + ":"):
        return None
    words = text[at + len(name) + 1 :].split(None, 1)
    return int(words[0]) if words and words[0].isdigit() else None


class Processes:
    """The tree's processes, as series of `own`."""

    def __init__(self, own: Own, proc: Proc, uptime: Any = None) -> None:
        self._own = own
        self._proc = proc
        self._uptime = uptime or _since_boot
        self._gone: dict[str, int] = {}
        self._last: dict[str, dict[str, int]] = {}
        self._left: dict[str, dict[str, int]] = {}  # what went from there to `_gone` at last
        self._ended: set[str] = set()
        self._oldest: int | None = None

    def ended(self, processes: Iterable[tuple[int, int, float, float]]) -> None:
        """These have ended (pid, start in clock ticks, seconds of CPU time as a user and as the
        system that they spoke of): all of whom there is still a file."""
        here = set()
        for pid, ticks, user, system in processes:
            key = f"{pid}:{ticks}"
            here.add(key)
            if key in self._ended or not 0 <= user + system < math.inf:
                continue
            last = self._last.setdefault(key, self._taken_back(key))
            for name, seconds in (("user", user), ("system", system)):
                last[name] = max(round(seconds * self._proc.ticks), last.get(name, 0))
        self._ended = here

    def look(self, processes: Iterable[tuple[int, int]]) -> None:
        """Reads these processes (pid, start in clock ticks), the living ones of the tree, and those
        that they have forked."""
        amounts: dict[Instrument, int] = dict.fromkeys((MEMORY, VIRTUAL, THREADS, DESCRIPTORS), 0)
        here = set()
        for key, seen in self._family(processes):
            here.add(key)
            last = self._last.setdefault(key, {})
            for name, count in seen.counts.items():
                # A thread that ended takes its switches along; the process's count stays.
                last[name] = max(count, last.get(name, 0))
            for instrument, amount in seen.amounts.items():
                amounts[instrument] += amount
            if self._oldest is None or seen.start_ticks < self._oldest:
                self._oldest = seen.start_ticks
        # One that has been orphaned, or runs another program, has still to speak of all its time.
        left = [key for key in self._last.keys() - here if not self._proc.runs(key)]
        self._left = {key: self._last.pop(key) for key in left}
        for counts in self._left.values():
            for name, count in counts.items():
                self._gone[name] = self._gone.get(name, 0) + count
        self._show(amounts)

    def _taken_back(self, key: str) -> dict[str, int]:
        """What this process had, whose end was seen before its last word was read."""
        counts = self._left.pop(key, {})
        for name, count in counts.items():
            self._gone[name] -= count
        return counts

    def _family(self, processes: Iterable[tuple[int, int]]) -> Iterator[tuple[str, Seen]]:
        """These and their forks, each once."""
        asked = [(pid, ticks, 0) for pid, ticks in set(processes)]
        known = {pid for pid, _, _ in asked} | {os.getpid()}
        while asked:
            pid, ticks, program = asked.pop()
            seen = self._proc.see(pid)
            if seen is None or (ticks and seen.start_ticks != ticks):
                continue
            if program and seen.program != program:
                continue  # It has become another program.
            forks = set(seen.children) - known if seen.program else set()
            known |= forks
            asked += [(child, 0, seen.program) for child in forks]
            yield f"{pid}:{seen.start_ticks if program else ticks}", seen

    def _show(self, amounts: dict[Instrument, int]) -> None:
        totals = dict(self._gone)
        for counts in self._last.values():
            for name, count in counts.items():
                totals[name] = totals.get(name, 0) + count
        for name, total in totals.items():
            instrument, attributes = COUNTED[name]
            divisor = self._proc.ticks if instrument is CPU else 1
            self._own.put(instrument, total / divisor, **attributes)
        for instrument, amount in amounts.items():
            self._own.put(instrument, amount)
        if self._oldest is not None:
            start = self._oldest / self._proc.ticks
            self._own.put(UPTIME, max(0.0, self._uptime() - start))
            self._own.put(START, self._proc.boot() + start)

    def state(self) -> dict[str, Any]:
        """What a successor must know."""
        return {
            "gone": self._gone,
            "last": self._last,
            "left": self._left,
            "ended": sorted(self._ended),
            "oldest": self._oldest,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over from a predecessor."""
        self._gone = {name: int(n) for name, n in state["gone"].items() if name in COUNTED}
        self._last, self._left = (
            {
                key: {name: int(n) for name, n in counts.items() if name in COUNTED}
                for key, counts in some.items()
            }
            for some in (state["last"], state.get("left", {}))
        )
        self._ended = set(state.get("ended", ()))
        self._oldest = state["oldest"]


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
