"""Whose files count in the place for visitors, where anybody on the machine may leave some: those
of users as whom a process of the tree runs."""

from __future__ import annotations

import os
from collections.abc import Iterable

from monagent.store import process
from monagent.store.directory import read_root
from monagent.where import VISITORS


class Users:
    """The users of the tree whose state directory is `path`, as far as they were met."""

    def __init__(self, path: str, proc: str = "/proc") -> None:
        self._path = path
        self._proc = proc
        self._known = {os.geteuid()}

    def state(self) -> list[int]:
        """Who is known, for a successor."""
        return sorted(self._known)

    def restore(self, state: Iterable[int]) -> None:
        """Goes on with whom a predecessor knew."""
        self._known.update(map(int, state))

    def visitor(self, path: str) -> bool:
        """Whether the shard at `path` lies in the place for visitors."""
        return os.path.dirname(path) == self._path + VISITORS

    def meet(self, pids: Iterable[int]) -> None:
        """These processes are the tree's, whoever they have become."""
        met = (process.user(pid, self._proc) for pid in pids)
        self._known.update(user for user in met if user is not None)

    def welcome(self, path: str) -> bool:
        """Whether the shard at `path` is one of the tree's: a user is known from the first process
        on that is seen alive."""
        if not self.visitor(path):
            return True
        try:
            user = os.lstat(path).st_uid
        except OSError:
            return False
        pid = os.path.basename(path).partition("-")[0]
        if user not in self._known and pid.isdigit() and self._runs_here(int(pid), user):
            self._known.add(user)
        return user in self._known

    def _runs_here(self, pid: int, user: int) -> bool:
        root, ticks = read_root(self._path) or (0, 0)
        if not root or not process.runs(root, ticks, self._proc):
            return False
        if process.user(pid, self._proc) != user:
            return False
        above = pid
        while above > 0 and above != root:
            above = process.parent(above, self._proc)
        return root in (above, 1)
