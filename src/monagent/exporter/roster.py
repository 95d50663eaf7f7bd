"""The shards in the directory, living and dead, each with the last numbers that could be read of
it.

What was read once is never lost again: a shard that is damaged or deleted under us counts with its
last good numbers, and a dead one stays until it is folded into the retained total.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from monagent.exporter.disk import Disk
from monagent.exporter.forks import Forks
from monagent.exporter.merge import Feed
from monagent.exporter.retained import Archive
from monagent.exporter.table import Table
from monagent.exporter.users import Users
from monagent.store import layout
from monagent.store.directory import ENDED, read_root
from monagent.store.reader import ShardFile, scan

STILLBORN = 10.0
"""Seconds after which an unfinished or damaged file of a process that is gone is deleted."""

_TOO_MUCH = (ValueError, MemoryError, OverflowError)
"""What a file may be, besides damaged: made longer than memory is."""


class Member:
    """One shard: its file, its way into the table and its last good snapshot."""

    __slots__ = ("dead", "feed", "file", "gone", "known", "values")

    def __init__(self, file: ShardFile) -> None:
        self.file = file
        self.feed = Feed()
        self.known = 0
        self.values: Sequence[float] = ()
        self.dead = False
        self.gone = False

    @property
    def process(self) -> tuple[int, int]:
        """Pid and start time."""
        return self.file.pid, self.file.start_ticks


class Roster:
    """All members of one state directory.

    Attributes:
        unreadable: files passed over because they are no shards or torn, by path.
        damage: how often a shard or a record of one could not be read.
        users: whose files count among those of visitors.
        forks: of the dead.

    Args:
        descriptors: how many shards may be kept open; beyond, each reading opens the file anew.
    """

    def __init__(
        self,
        path: str,
        table: Table,
        archive: Archive,
        disk: Disk,
        wall: Callable[[], float] = time.time,
        descriptors: int = 512,
        alive: Callable[[ShardFile], bool] = ShardFile.alive,
        users: Users | None = None,
    ) -> None:
        self.path = path
        self.members: dict[str, Member] = {}
        self.unreadable: dict[str, str] = {}
        self.damage = 0
        self._table = table
        self._archive = archive
        self._disk = disk
        self._wall = wall
        self._descriptors = descriptors
        self._alive = alive
        self.users = users or Users(path)
        self.forks = Forks()

    def living(self) -> list[Member]:
        """Members whose process runs."""
        return [member for member in self.members.values() if not member.dead]

    def dead(self) -> list[Member]:
        """Members whose process has ended, not folded yet."""
        return [member for member in self.members.values() if member.dead]

    def find(self) -> None:
        """Takes in new shards of the directory."""
        paths = scan(self.path)
        known = len(self.members)
        new = [path for path in paths if path not in self.members]
        if any(map(self.users.visitor, new)):
            self.users.meet(member.file.pid for member in self.living())
        for path in new:
            self._enter(path)
        if len(self.members) > known + 1:
            # As they came: beyond the series limit, those that a predecessor showed are shown on.
            members = self.members.items()
            self.members = dict(sorted(members, key=lambda one: one[1].file.created))
        for path in self.unreadable.keys() - set(paths):
            del self.unreadable[path]
        here = set(paths)
        for path, member in self.members.items():
            member.gone = path not in here

    def _enter(self, path: str) -> None:
        if not self.users.welcome(path):
            self._unreadable(path, f"{path}: found a user as whom nobody of the tree runs", True)
            return
        try:
            file = ShardFile.open(path, keep=len(self.members) < self._descriptors)
        except FileNotFoundError:
            return
        except layout.Nascent as reason:
            self._unreadable(path, str(reason), counts=False)
            return
        except (layout.Foreign, OSError, *_TOO_MUCH) as reason:
            self._unreadable(path, str(reason), counts=True)
            return
        self.unreadable.pop(path, None)
        self.damage += file.torn
        if file.nonce in self._archive.ids:
            # Folded by an exporter that was killed before it could delete the file.
            file.close()
            if self._delete(path):
                self._archive.forget([file.nonce])
            return
        self.members[path] = Member(file)

    def _unreadable(self, path: str, reason: str, counts: bool) -> None:
        if path not in self.unreadable:
            self.damage += counts
            self.unreadable[path] = reason
        try:
            age = self._wall() - os.stat(path).st_mtime
        except OSError:
            return
        if age > STILLBORN and not _runs(_pid_of(path)):
            self._delete(path)
            del self.unreadable[path]

    def _delete(self, path: str) -> bool:
        try:
            self._disk.unlink(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def judge(self) -> None:
        """Finds out who has died, and reads those for the last time."""
        heirs = {member.process for member in self.members.values() if not member.gone}
        ended = read_root(self.path, ENDED)
        for member in self.living():
            # A process whose file was deleted makes a new one; its numbers then go on
            # from zero in that.
            gone = member.process == ended or (member.gone and member.process in heirs)
            if gone or not self._alive(member.file):
                self._read(member)
                member.file.close()
                member.feed.bury()
                member.dead = True
                self.forks.take(member.file.path)

    def read(self) -> None:
        """Reads what the living say now."""
        for member in self.living():
            self._read(member)

    def _read(self, member: Member) -> None:
        file = member.file
        torn = file.torn
        try:
            file.refresh()
            values = file.values()
        except (layout.Foreign, OSError, *_TOO_MUCH):
            self.damage += 1
            return
        self.damage += file.torn - torn
        if len(file.series) > member.known:
            labels: dict[str, Any] = file.info.get("labels") or {}
            member.feed.extend(self._table, file.series[member.known :], labels)
            member.known = len(file.series)
        member.values = values

    def move(self, table: Table) -> None:
        """Goes on in another table."""
        self._table = table
        for member in self.members.values():
            member.feed = Feed()
            labels: dict[str, Any] = member.file.info.get("labels") or {}
            member.feed.extend(table, member.file.series[: member.known], labels)
            if member.dead:
                member.feed.bury()

    def snapshots(self) -> Iterator[tuple[Feed, Sequence[float]]]:
        """What `merge` wants."""
        for member in self.members.values():
            yield member.feed, member.values

    def fold(self) -> int:
        """Folds all the dead into the archive and deletes their files; raises OSError when
        the total cannot be written."""
        dead = [(path, member) for path, member in self.members.items() if member.dead]
        if not dead:
            return 0
        self._archive.fold((member.file.nonce, member.feed, member.values) for _, member in dead)
        for path, member in dead:
            del self.members[path]
            if self._delete(path):
                self._archive.forget([member.file.nonce])
        return len(dead)


def somebody_records(directory: str) -> bool:
    """Whether a process lives whose shard lies there: a daemon, say, whose exporter was killed."""
    for path in scan(directory):
        try:
            if ShardFile.open(path, keep=False).alive():
                return True
        except (layout.Foreign, OSError, *_TOO_MUCH):
            continue
    return False


def _pid_of(path: str) -> int:
    number = os.path.basename(path).partition("-")[0]
    return int(number) if number.isdecimal() else 0


def _runs(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
