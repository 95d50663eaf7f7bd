"""Whose files count in the place for visitors, where anybody on the machine may leave some: those
of users as whom a process of the tree runs."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterable

from monagent.store import process
from monagent.store.directory import read_root
from monagent.where import VISITORS

CROWDED = 0.01
"""Seconds that a look at the place may take without a pause before the next: anybody may leave as
many files as fit, and shall have no more than a twentieth of a core for them."""


class Users:
    """The users of the tree whose state directory is `path`, as far as they were met.

    Attributes:
        strangers: whose files were refused.
    """

    def __init__(self, path: str, proc: str = "/proc") -> None:
        self._path = path
        self._proc = proc
        self._known = {os.geteuid()}
        self.strangers: set[int] = set()
        self._expects = False
        self._greeted: set[str] = set()
        self._place = -1
        self._rests_until = 0.0

    def state(self) -> list[int]:
        """Who is known, for a successor."""
        return sorted(self._known)

    def restore(self, state: Iterable[int]) -> None:
        """Goes on with whom a predecessor knew."""
        self._known.update(map(int, state))

    def expect(self) -> None:
        """Meet whoever leaves a file from now on at that moment, since it may have ended at the
        next round; to be called by the main thread of a process of our own."""
        if os.path.isdir(self._path + VISITORS):
            signal.signal(signal.SIGIO, self._greet)
            self._expects = True
            self.watch()

    def watch(self) -> None:
        """Have the kernel tell of new files in the place, which may have been made anew, if we
        expect any. Where it cannot (a sandbox), each round finds those who still run."""
        if not self._expects:
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            place = os.open(self._path + VISITORS, flags)
        except OSError:
            return
        if self._place >= 0:
            os.close(self._place)
        self._place = place  # The watch ends with the descriptor.
        try:
            fcntl.fcntl(place, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_MULTISHOT)
        except OSError:
            pass
        self._greet()

    def _greet(self, _number: int = 0, _frame: object = None) -> None:
        begun = time.monotonic()
        if begun < self._rests_until:
            return  # The next round meets who still runs.
        place = self._path + VISITORS
        try:
            names = set(os.listdir(place))
        except OSError:
            return
        for name in names - self._greeted:
            self._meet_owner(f"{place}/{name}")
        self._greeted = names
        spent = time.monotonic() - begun
        if spent > CROWDED:
            self._rests_until = begun + 20 * spent

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
        user = self._meet_owner(path)
        if user is not None and user not in self._known:
            self.strangers.add(user)
        return user in self._known

    def _meet_owner(self, path: str) -> int | None:
        try:
            user = os.lstat(path).st_uid
        except OSError:
            return None
        pid = os.path.basename(path).partition("-")[0]
        if user not in self._known and pid.isdecimal() and self._runs_here(int(pid), user):
            self._known.add(user)
        return user

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
