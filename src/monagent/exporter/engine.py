"""One state directory's total: finds shards, reads and folds them, and renders what is served.

Everything here is called by one thread at a time.  Nothing waits for the network.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monagent import __version__
from monagent.exporter import processes, selfmetrics
from monagent.exporter.backlog import Backlog
from monagent.exporter.disk import Disk, replace
from monagent.exporter.exposition import Exposition
from monagent.exporter.merge import merge
from monagent.exporter.own import Own
from monagent.exporter.processes import Proc, Processes
from monagent.exporter.resource import python_labels, resource_of
from monagent.exporter.retained import Archive, Torn
from monagent.exporter.roster import Member, Roster
from monagent.exporter.table import Table
from monagent.exporter.users import Users
from monagent.settings import Settings
from monagent.store.directory import LEDGER
from monagent.store.reader import ShardFile

BATCH = 16
PATIENCE = 2.0
"""A fold waits for this many dead, or so many seconds."""

_OWN = {one.name: one for one in (*selfmetrics.INSTRUMENTS, *processes.INSTRUMENTS)}


@dataclass(frozen=True)
class Total:
    """All numbers of one moment: `cells` laid out by `table`, since `start` (unix seconds)."""

    table: Table
    cells: list[float]
    resource: dict[str, Any]
    start: float


class Engine:
    """See above.

    Args:
        path: the state directory.
        log: takes lines for the operator.
        descriptors: how many shards may be kept open.
        users: who was met already.
    """

    def __init__(
        self,
        path: str,
        settings: Settings,
        log: Callable[[str], None],
        descriptors: int = 512,
        disk: Disk | None = None,
        proc: Proc | None = None,
        alive: Callable[[ShardFile], bool] = ShardFile.alive,
        clock: Callable[[], float] = time.monotonic,
        users: Users | None = None,
    ) -> None:
        self.path = path
        self._settings = settings
        self._log = log
        self._disk = disk or Disk()
        self._clock = clock
        self._table = Table(settings.series_limit)
        self._archive = Archive(path, self._table, self._disk)
        self._roster = Roster(
            path,
            self._table,
            self._archive,
            self._disk,
            descriptors=descriptors,
            alive=alive,
            users=users,
        )
        self.users = self._roster.users
        self.own = Own(self._table, settings.labels)
        proc = proc or Proc()
        self._processes = Processes(self.own, proc)
        self._backlog = Backlog(self.own, proc)
        self._exposition = Exposition(self._table)
        self._told: set[str] = set()
        self._damage = 0
        self._cpu = 0.0
        self._pythons: set[tuple[tuple[str, str], ...]] = set()
        self._next_fold = clock() + PATIENCE
        self._load()

    def _load(self) -> None:
        """Goes on where a predecessor was killed."""
        try:
            self._archive.load()
        except (Torn, OSError) as error:
            self._tell(str(error))
        try:
            with open(f"{self.path}/{LEDGER}", "rb") as file:
                state = json.loads(file.read())
            self.own.restore(state["own"], _OWN)
            self._processes.restore(state["processes"])
            self.users.restore(state.get("users", ()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._tell(f"{self.path}/{LEDGER}: found {error!r}, expected our own counters")
        selfmetrics.announce(self.own, __version__, time.time())

    # -- rounds ------------------------------------------------------------------------------

    def look(self) -> bool:
        """One round of finding, burying and folding; True while a process lives that records, or
        that was forked by one and may."""
        self._find()
        for user in self.users.strangers:
            self._tell(
                f"a file of uid {user} is not read: no process of the tree has been seen to run as"
                " that user"
            )
        now = self._clock()
        dead = len(self._roster.dead())
        if dead and (now >= self._next_fold or dead >= BATCH):
            self.fold()
        elif not dead:
            self._next_fold = now + PATIENCE
        return bool(self._roster.living()) or self._roster.forks.alive()

    @property
    def info(self) -> dict[str, Any]:
        """What the tree's first process told about itself."""
        return self._archive.info

    @property
    def lonely(self) -> bool:
        """Whether no process but this one records."""
        return self.pids <= {os.getpid()}

    @property
    def pids(self) -> set[int]:
        """The processes that record."""
        return {member.file.pid for member in self._roster.living()}

    def leftovers(self) -> list[str]:
        """Files that may go with the tree: what is no shard, and shards of nobody else's."""
        return [*self._roster.unreadable, *self._roster.members]

    def fold(self) -> None:
        """Folds all the dead now; when that is impossible they stay where they are."""
        begun = self._clock()
        try:
            self._restore_directory()
            self._roster.fold()
            pause = 0.0
        except OSError as error:
            self._tell(f"cannot write {self._archive.path}: {error}; trying again")
            pause = 10.0
        # A large total takes a while to write: never more than a small part of our time.
        spent = self._clock() - begun
        self._next_fold = self._clock() + max(PATIENCE, 20 * spent, pause)
        if self._table.crowded:
            self._move()

    def _find(self) -> None:
        self._roster.find()
        self._roster.judge()
        dead = self._roster.dead()
        self._processes.ended((*one.process, *one.file.used) for one in dead)
        if not self._archive.info or not self._archive.start:
            self._introduce()

    def _introduce(self) -> None:
        members = sorted(self._roster.members.values(), key=lambda member: member.file.created)
        for member in members:
            self._archive.start = self._archive.start or member.file.created
            self._archive.info = self._archive.info or member.file.info

    def _restore_directory(self) -> None:
        """Somebody may have wiped the directory; what was in it is still here."""
        os.makedirs(self.path, 0o700, exist_ok=True)

    def keep(self) -> None:
        """Writes the total again if somebody deleted it."""
        if self._archive.total.targets and not os.path.exists(self._archive.path):
            try:
                self._restore_directory()
                self._archive.save()
            except OSError as error:
                self._tell(f"cannot write {self._archive.path}: {error}; trying again")

    def _move(self) -> None:
        table = Table(self._settings.series_limit)
        self._archive.move(table)
        self._roster.move(table)
        self.own.move(table)
        self._table = table
        self._exposition = Exposition(table)

    # -- what is served ------------------------------------------------------------------------

    def scrape(self, openmetrics: bool) -> bytes:
        """The exposition of this moment."""
        begun = time.perf_counter()
        total = self.total()
        text = self._exposition.render(total.cells, total.resource, openmetrics)
        self.own.record(selfmetrics.SCRAPE, time.perf_counter() - begun)
        self._tell_conflicts()
        return text

    def total(self) -> Total:
        """All numbers of this moment."""
        self._find()
        self._roster.read()
        living = self._roster.living()
        self._processes.look(member.process for member in living)
        self._backlog.look((member.file.pid, member.file.sockets) for member in living)
        self._show(living)
        self._save_ledger()
        shards = [*self._roster.snapshots(), (self.own.feed, self.own.cells)]
        cells = merge(self._archive.total, shards)
        resource = resource_of(self._settings, self._archive.info)
        return Total(self._table, cells, resource, self._archive.start or time.time())

    def sample(self) -> None:
        """Looks at the processes between scrapes, so that short ones are seen at all."""
        self._processes.look(member.process for member in self._roster.living())

    def _show(self, living: list[Member]) -> None:
        own, archive = self.own, self._archive
        own.put(selfmetrics.SHARDS, len(living), state="live")
        own.put(selfmetrics.SHARDS, len(self._roster.members) - len(living), state="ended")
        own.put(selfmetrics.PROCESSES, len({member.process for member in living}))
        own.put(selfmetrics.FOLDED, archive.folded)
        own.put(selfmetrics.SERIES, len(self._table.targets))
        own.add(selfmetrics.UNREADABLE, self._roster.damage - self._damage)
        self._damage = self._roster.damage
        families = self._exposition.families
        own.put(selfmetrics.CONFLICTS, len(families.conflicts), outcome="hidden")
        own.put(selfmetrics.CONFLICTS, len(families.repeated), outcome="merged")
        self._cpu = selfmetrics.usage(own, self._cpu)
        pythons = {python_labels(member.file.info) for member in living}
        for labels in self._pythons - pythons:
            own.hide(selfmetrics.PYTHON, **dict(labels))
        for labels in pythons:
            own.put(selfmetrics.PYTHON, 1.0, **dict(labels))
        self._pythons |= pythons

    def _save_ledger(self) -> None:
        state = {
            "own": self.own.state(),
            "processes": self._processes.state(),
            "users": self.users.state(),
        }
        try:
            self._restore_directory()
            replace(self._disk, f"{self.path}/{LEDGER}", json.dumps(state).encode())
        except OSError as error:
            self._tell(f"cannot write {self.path}/{LEDGER}: {error}")

    def _tell_conflicts(self) -> None:
        for instrument, reason in self._exposition.families.conflicts.items():
            self._tell(f"{instrument.name} ({instrument.kind}) is not shown: {reason}")

    def _tell(self, line: str) -> None:
        """Says it once."""
        if line not in self._told and len(self._told) < 1000:
            self._told.add(line)
            self._log(line)
