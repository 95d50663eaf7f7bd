"""The shard of this process: cells that a recorder adds to with `mem[0][i] += x`, and the
descriptors that name them.

`mem` is a list of one view, so that what holds it keeps working when the shard grows (a larger
mapping takes the view's place) and after a fork: there a stand-in takes it, which makes the child's
own shard, laid out alike, when something is first written.  CPython 3.10 to 3.15 switch threads and
run signal handlers only at calls and jumps, so the statement loses nothing.
"""

from __future__ import annotations

import _thread
import mmap

from monagent import guard
from monagent.clock import monotonic, time
from monagent.store import accidents, layout, process, used, visitors
from monagent.store.asleep import Asleep
from monagent.store.directory import Inner
from monagent.store.file import File
from monagent.store.regions import CHUNK, Region, first_regions
from monagent.system import os
from monagent.where import VISITORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from monagent.store.asleep import View

LONGEST_WAIT = 1024.0
"""Most seconds from one attempt to grow a shard that could not grow to the next."""


class Full(Exception):
    """There is no room for another series; what exists goes on."""


class Shard:
    """One process's cells; in `directory`, or in memory alone when that is None or cannot be had.

    Args:
        directory: the state directory, or None for a shard that no other process can read.
        info: what to tell about the process (JSON text).

    Attributes:
        mem: the list of one view that recorders hold.
        reason: why other processes cannot read it although they should, or "".
        told: the record of what it tells about the process.
        lock, busy, deferred: for `metrics.family`, which makes series in turns.
    """

    def __init__(self, directory: str | None, info: str = "{}") -> None:
        self.directory = directory
        self.reason = ""
        self.mem: list[View] = []
        self.pid = os.getpid()
        self.nonce = 0
        self.lock = _thread.RLock()
        self.busy = False
        self.instruments = 0
        self.deferred: list[Callable[[], object]] = []
        self._file: File | None = None
        self._inner: Inner | None = None
        # No mapping is ever dropped while the process lives: until 3.13 each closes a descriptor
        # number at its end that the application may since have been given.
        self._mappings: list[mmap.mmap] = []
        self._regions: tuple[Region, ...] = ()
        self._size = 0
        self._presets: list[tuple[int, float]] = []
        self._full_until = 0.0
        self._wait = 1.0
        self.told = layout.record(b'{"info": %s}' % info.encode())
        self._open(first_regions(len(self.told)), self.told)
        _shards.append(self)

    @property
    def path(self) -> str | None:
        """The file; None when the shard is in memory alone."""
        return None if self._file is None else self._file.path

    @property
    def stored(self) -> bool:
        """Whether other processes can read this shard."""
        return self._file is not None

    # -- what recorders and families need ------------------------------------------------------

    def awake(self) -> memoryview[float]:
        """The real view of this process's cells, made now in a child that has not recorded yet."""
        while isinstance(view := self.mem[0], Asleep):
            with self.lock:
                if isinstance(self.mem[0], Asleep):
                    self._wake()
            for tell in list(woken):
                tell()
        return view

    def series(self, count: int, payload: Callable[[int], bytes]) -> int:
        """Reserves `count` cells of value 0, appends the record that `payload` makes of the first
        one's index, and returns that.  The lock must be held.  Raises Full."""
        at = self._room(layout.CELLS, count * 8)
        try:
            self.describe(payload(at // 8))
        except Full:
            self._last(layout.CELLS).taken = at
            raise
        return at // 8

    def describe(self, payload: bytes) -> None:
        """Appends a descriptor record with this JSON payload.  The lock must be held.  Raises
        Full."""
        record = layout.record(payload)
        size = len(record)
        region = self._with_room(layout.DESCRIPTORS, size)
        # No call from here on: of a fork by another thread, or by a signal's handler, the child
        # finds all of it done or nothing, and no hole among its records.
        at = region.taken
        end = at + size
        self._mappings[-1][at:end] = record
        region.taken = end

    def preset(self, index: int, value: float) -> None:
        """Puts `value` into the cell now, and in every child's shard when that is made."""
        self._presets.append((index, value))
        self.awake()[index] = value

    def snapshot(self) -> bytes:
        """The shard's bytes as they are now."""
        self.awake()
        return self._mappings[-1][: self._size]

    # -- making, growing, waking -----------------------------------------------------------------

    def _open(self, regions: tuple[Region, ...], *descriptors: bytes) -> None:
        """Makes the shard with these regions; `descriptors` go into the rooms for such, in
        order."""
        identity = process.own()
        self.nonce = nonce = int.from_bytes(os.urandom(8), "big")
        size = regions[-1].end
        mapping = self._mapping(identity.pid, nonce, size)
        rooms = [region for region in regions if region.kind == layout.DESCRIPTORS]
        for region in regions:
            region.write_head(mapping)
        for room, content in zip(rooms, descriptors, strict=True):
            mapping[room.start : room.start + len(content)] = content
        view = memoryview(mapping).cast("d")
        for index, value in self._presets:
            view[index] = value
        header = layout.header(identity, time(), nonce)
        mapping[len(layout.MAGIC) : len(header)] = header[len(layout.MAGIC) :]
        mapping[: len(layout.MAGIC)] = layout.MAGIC
        # Whole by now: another thread may fork in between, and that child copies from here.
        self._mappings.append(mapping)
        self._regions = regions
        self._size = size
        # Another pid: a signal handler forked a child that goes on from here, but not with this.
        if self.pid == identity.pid or not self.mem:
            self.mem[:] = [view]

    def _mapping(self, pid: int, nonce: int, size: int) -> mmap.mmap:
        if self.directory is not None:
            try:
                if self._file is None:
                    self._file = self.new_file(pid, nonce)
                return self._file.mapping(0, size)
            except (OSError, ValueError) as error:
                # The application runs on, its numbers do not leave the process until there is room.
                self._drop_file()
                self._later()
                self.reason = f"cannot keep state in {self.directory}: {error}"
                guard.say(f"{self.reason}; metrics of process {pid} are not served")
        return mmap.mmap(-1, size)

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.discard()

    def new_file(self, pid: int, nonce: int, anew: bool = True) -> File:
        """Makes one; `anew` says whether a directory that is gone is made too.  Raises OSError and
        ValueError."""
        name = f"{pid}-{nonce:016x}{layout.SUFFIX}"
        try:
            return File(f"{self.directory}/{name}")
        except FileNotFoundError:
            if not anew:
                raise
            accidents.directory_again(str(self.directory))
            return File(f"{self.directory}/{name}")
        except PermissionError:
            if self._inner is not None:
                return File(name, self._inner)
            place = f"{self.directory}{VISITORS}"
            if not visitors.is_place(place):
                raise
            return File(f"{place}/{name}")  # Our parent gave up root before it forked.

    def _last(self, kind: int) -> Region:
        return next(region for region in reversed(self._regions) if region.kind == kind)

    def _with_room(self, kind: int, size: int) -> Region:
        self.awake()
        region = self._last(kind)
        return region if region.taken + size <= region.end else self._grow(kind, size)

    def _room(self, kind: int, size: int) -> int:
        region = self._with_room(kind, size)
        at = region.taken
        region.taken = at + size
        return at

    def _grow(self, kind: int, size: int) -> Region:
        old, seen = self._mappings[-1], self.mem[0]
        start = self._size
        length = max(CHUNK, start // 2 & ~0xFFFF, size + layout.CHUNK_HEAD + 7 & ~7)
        mapping = self._larger(start, start + length)
        region = Region(kind, start + layout.CHUNK_HEAD, start + length)
        region.write_head(mapping)
        view = memoryview(mapping).cast("d")
        before = slice(0, start)
        # The view takes its place last, so that a fork by another thread in between leaves the
        # child a consistent picture.
        self._regions = (*self._regions, region)
        self._size = start + length
        if self._file is None:
            # Nothing may be recorded from here to the view's change, hence no call and no jump.
            mapping[before] = old[before]
        if self.mem[0] is seen:  # Else a signal handler forked, and we are the child.
            self.mem[0] = view
        self._mappings.append(mapping)
        return region

    def _larger(self, start: int, size: int) -> mmap.mmap:
        if self._file is None:
            return mmap.mmap(-1, size)
        now = monotonic()
        if now < self._full_until:
            raise Full
        try:
            mapping = self._file.mapping(start, size)
        except (OSError, ValueError) as error:
            self._later()
            self.reason = f"cannot grow {self._file.path}: {error}"
            full = Full(f"{self.reason}; new series of process {self.pid} are not recorded")
            guard.failed("store", full)
            raise full from error
        self._wait = 1.0
        self.reason = ""
        return mapping

    def _later(self) -> None:
        """The next attempt to get room waits, longer each time."""
        self._full_until = monotonic() + self._wait
        self._wait = min(self._wait * 2, LONGEST_WAIT)

    # -- forks and accidents ---------------------------------------------------------------------

    def forked(self) -> None:
        """To be called in a forked child: from here on it has a shard of its own, made when it
        first records."""
        self.lock = _thread.RLock()
        self.busy = False
        self.deferred = []
        self.pid = os.getpid()
        self.mem[0] = Asleep(self)
        self._file = None
        self._full_until = 0.0
        self.reason = ""
        if self.directory is not None and self._inner is None and os.geteuid() == 0:
            # A child that gives up root could not make its file later, nor could its children.
            try:
                self._inner = Inner(self.directory)
            except OSError:
                self._inner = None

    def _wake(self) -> None:
        if os.getpid() != self.pid:  # Forked without Python's hooks.
            self.forked()
        like = self._mappings[-1]
        regions = self._regions
        rooms = [region for region in regions if region.kind == layout.DESCRIPTORS]
        self._open(regions, *[like[room.start : room.taken] for room in rooms])

    def check(self) -> None:
        """Makes the file that there was no room for, or that somebody removed; see `accidents`."""
        accidents.check(self)

    def used(self) -> None:
        """The process says at its end what CPU time it has used; see the module `used`."""
        used.say(self)

    def ending(self, over: bool = False) -> None:
        """The interpreter ends.  One beside the main one must leave no descriptor in the process,
        and its shard is an ended one once its mappings are gone; the main one's, at once if the
        program is `over`: what threads still record then goes nowhere."""
        self.used()
        if self._file is not None and self.pid == os.getpid():
            if self._mappings[-1][layout.LOCKED]:
                self._mappings[-1][layout.LOCKED] = layout.ENDING
            if over:
                self._file.unlock()
            self._file.close()
        if over:
            self.directory = self._file = None

    def close(self) -> None:
        """Gives up the shard: for tests and embedding; a program's own ends with its process."""
        if self in _shards:
            _shards.remove(self)
        self._drop_file()


woken: list[Callable[[], None]] = []
"""Called in a forked child when it first records."""

_shards: list[Shard] = []


def _forked(shards: list[Shard] = _shards) -> None:
    # The default argument outlives this module at the interpreter's end, and with it all mappings:
    # when they go, and with them the descriptor numbers, no file of the application is open.
    for shard in list(shards):
        try:
            shard.forked()
        except BaseException as error:
            guard.failed("store", error)


os.register_at_fork(after_in_child=_forked)
