"""How many connections wait at the sockets that the tree's processes have said they listen on.

Asked from outside: a server whose only thread is at work could not look, and a thread of ours in it
would take from a program of one thread what its memory allocator and interpreter gain by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monagent.exporter.own import Own
from monagent.exporter.processes import Proc
from monagent.store.reader import Instrument, Series

Shown = tuple[Instrument, tuple[tuple[str, str], ...]]
"""A gauge and its attributes."""


class Backlog:
    """What waits, as series of `own`; none where the system does not tell (Unix sockets, other
    systems than Linux)."""

    def __init__(self, own: Own, proc: Proc) -> None:
        self._own = own
        self._proc = proc
        self._shown: set[Shown] = set()

    def look(self, processes: Iterable[tuple[int, Mapping[int, Series]]]) -> None:
        """Asks about the sockets, by their inodes, that these living processes (by pid) have named,
        or about all of a process that has named 0.

        A socket that several processes share counts once: of inodes of sockets a system has one
        number each, whatever the network.
        """
        networks: dict[str, dict[int, int]] = {}
        waiting: dict[Shown, int] = {}
        counted: set[int] = set()
        for pid, sockets in processes:
            if not sockets:
                continue
            network = self._proc.network(pid)
            if network not in networks:
                networks[network] = self._proc.waiting(pid)
            for named, series in sockets.items():
                for inode in (named,) if named else self._proc.sockets(pid):
                    if inode in networks[network] and inode not in counted:
                        counted.add(inode)
                        key = series.instrument, _attributes(series)
                        waiting[key] = waiting.get(key, 0) + networks[network][inode]
        for instrument, attributes in self._shown - waiting.keys():
            self._own.hide(instrument, **dict(attributes))
        for (instrument, attributes), number in waiting.items():
            self._own.put(instrument, number, **dict(attributes))
        self._shown = set(waiting)


def _attributes(series: Series) -> tuple[tuple[str, str], ...]:
    """As `Own` takes them."""
    found = series.attributes.items()
    return tuple((name.replace(".", "__"), str(value)) for name, value in found)
