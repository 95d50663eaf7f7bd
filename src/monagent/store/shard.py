"""The shard of this process: cells that a recorder adds to with `mem[0][i] += x`, and the
descriptors that name them.

`mem` is a list of one view, so that what holds it keeps working when the file grows (a larger
mapping takes the view's place) and after a fork: there a stand-in takes it, which makes the child's
own shard, laid out alike, when something is first written. CPython 3.10 to 3.13 switch threads and
run signal handlers only at calls and backward jumps, so the statement loses nothing.
"""

from __future__ import annotations

import _thread
import binascii
import mmap
import os
import struct
import sys
import time

from monagent import guard
from monagent.store import layout, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIRST_DESCRIPTORS = 16 * 1024
FIRST_CELLS = 48 * 1024 - layout.HEADER_SIZE
CHUNK = 64 * 1024


class Asleep:
    """Stands in for a forked child's view until the child records: reads 0, and the first write
    makes the shard."""

    __slots__ = ("shard",)

    def __init__(self, shard: Shard) -> None:
        self.shard = shard

    def __getitem__(self, index: int) -> float:
        return 0.0

    def __setitem__(self, index: int, value: float) -> None:
        # Added, not set: `+=` read 0 above, and another thread may have woken the shard since.
        self.shard.awake()[index] += value


if TYPE_CHECKING:
    View = memoryview[float] | Asleep


class Region:
    """A chunk as its writer sees it: where its room begins, and what is taken up to where."""

    __slots__ = ("end", "kind", "start", "taken")

    def __init__(self, kind: int, start: int, end: int) -> None:
        self.kind = kind
        self.start = start
        self.taken = start
        self.end = end


class Shard:
    """One process's cells; in `directory`, or in memory alone when that is None or cannot be had.

    Args:
        directory: the state directory, or None for a shard that no other process can read.
        info: what to tell about the process (JSON text).
    """

    def __init__(self, directory: str | None, info: str = "{}") -> None:
        self.directory = directory
        self.info = info
        self.path: str | None = None
        self.reason = ""
        self.mem: list[View] = []
        self.pid = os.getpid()
        self.lock = _thread.RLock()
        self.busy = False
        self.instruments = 0
        self.deferred: list[Callable[[], object]] = []
        self._fd = -1
        self._file: tuple[int, int] = (0, 0)
        # Mappings are never dropped while the process lives: until 3.13 each closes a descriptor
        # number of its own, and an application that closed "all" descriptors to become a daemon may
        # since have been given that number.
        self._mappings: list[mmap.mmap] = []
        self._regions: tuple[Region, ...] = ()
        self._size = 0
        self._open(self._first_regions())
        _shards.append(self)

    @property
    def stored(self) -> bool:
        """Whether other processes can read this shard."""
        return self.path is not None

    # -- recording side ------------------------------------------------------------------------

    def awake(self) -> memoryview[float]:
        """The real view of this process's cells, made now in a child that has not recorded yet."""
        view = self.mem[0]
        if isinstance(view, Asleep):
            with self.lock:
                view = self.mem[0]
                if isinstance(view, Asleep):
                    self._wake()
                    view = self.mem[0]
        assert not isinstance(view, Asleep)
        return view

    def cells(self, count: int) -> int:
        """Reserves `count` cells of value 0 and returns the index of the first.  The lock must be
        held."""
        return self._room(layout.CELLS, count * 8) // 8

    def describe(self, payload: bytes) -> None:
        """Appends a descriptor record with this JSON payload.  The lock must be held."""
        length = len(payload)
        padded = (length + 7) & ~7
        at = self._room(layout.DESCRIPTORS, layout.RECORD_HEAD + padded)
        self._mappings[-1][at : at + layout.RECORD_HEAD + padded] = struct.pack(
            f"{layout.RECORD}{padded}s",
            layout.RECORD_MAGIC,
            length,
            binascii.crc32(payload),
            0,
            payload,
        )

    def snapshot(self) -> bytes:
        """The shard's bytes as they are now."""
        self.awake()
        return self._mappings[-1][: self._size]

    # -- making, growing, waking -----------------------------------------------------------------

    def _first_regions(self) -> tuple[Region, ...]:
        head = layout.HEADER_SIZE
        middle = head + FIRST_DESCRIPTORS
        end = middle + FIRST_CELLS
        return (
            Region(layout.DESCRIPTORS, head + layout.CHUNK_HEAD, middle),
            Region(layout.CELLS, middle + layout.CHUNK_HEAD, end),
        )

    def _open(self, regions: tuple[Region, ...], like: mmap.mmap | None = None) -> None:
        """Makes the shard with these regions, the descriptors in them copied from `like`."""
        identity = process.own()
        nonce = int.from_bytes(os.urandom(8), "big")
        size = regions[-1].end
        mapping = None
        if self.directory is not None:
            try:
                if self._fd < 0:
                    self._create(identity.pid, nonce)
                os.posix_fallocate(self._fd, 0, size)
                mapping = _map(self._fd, size)
            except (OSError, ValueError) as error:
                self._lost(f"cannot keep state in {self.directory}: {error}")
        if mapping is None:
            mapping = mmap.mmap(-1, size)
        self._mappings.append(mapping)
        self._regions = regions
        self._size = size
        self.pid = identity.pid
        for region in regions:
            self._head(mapping, region)
            if like is not None and region.kind == layout.DESCRIPTORS:
                mapping[region.start : region.taken] = like[region.start : region.taken]
        self.mem[:] = [memoryview(mapping).cast("d")]
        if like is None:
            self.describe(b'{"info": %s}' % self.info.encode())
        struct.pack_into(
            layout.HEADER,
            mapping,
            0,
            b"",
            layout.VERSION,
            layout.HEADER_SIZE,
            identity.pid,
            identity.start_ticks,
            identity.arguments_at,
            identity.namespace,
            time.time(),
            nonce,
        )
        mapping[: len(layout.MAGIC)] = layout.MAGIC

    def _create(self, pid: int, nonce: int) -> None:
        path = f"{self.directory}/{pid}-{nonce:016x}{layout.SUFFIX}"
        fd = _above_stdio(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        found = os.fstat(fd)
        self._fd = fd
        self._file = (found.st_dev, found.st_ino)
        self.path = path

    def _lost(self, reason: str) -> None:
        """Goes on in memory: the application runs, its numbers do not leave the process."""
        self.path = None
        self.reason = reason
        guard.say(f"{reason}; metrics of process {os.getpid()} are not served")

    @staticmethod
    def _head(mapping: mmap.mmap, region: Region) -> None:
        struct.pack_into(
            layout.CHUNK,
            mapping,
            region.start - layout.CHUNK_HEAD,
            region.kind,
            region.end - region.start + layout.CHUNK_HEAD,
        )

    def _room(self, kind: int, size: int) -> int:
        for region in reversed(self._regions):
            if region.kind == kind:
                if region.taken + size > region.end:
                    break
                at = region.taken
                region.taken = at + size
                return at
        region = self._grow(kind, size)
        at = region.taken
        region.taken = at + size
        return at

    def _grow(self, kind: int, size: int) -> Region:
        old = self._mappings[-1]
        start = self._size
        length = max(CHUNK, start // 2 & ~0xFFFF, size + layout.CHUNK_HEAD + 7 & ~7)
        end = start + length
        mapping = None
        if self.path is not None:
            try:
                self._ours()
                os.posix_fallocate(self._fd, start, length)
                mapping = _map(self._fd, end)
            except (OSError, ValueError) as error:
                self._lost(f"cannot grow {self.path}: {error}")
        if mapping is None:
            # What was recorded so far stays in the file; from here on it is lost to the endpoint,
            # not to the application.
            mapping = mmap.mmap(-1, end)
            mapping[:start] = old[:start]
        region = Region(kind, start + layout.CHUNK_HEAD, end)
        self._head(mapping, region)
        self._mappings.append(mapping)
        # In this order, so that a fork by another thread in between leaves the child a consistent
        # picture.
        self._regions = (*self._regions, region)
        self._size = end
        self.mem[0] = memoryview(mapping).cast("d")
        return region

    def _ours(self) -> None:
        """Makes sure that the descriptor is still this shard's file: programs that become daemons
        close all they find."""
        try:
            found = os.fstat(self._fd)
            if (found.st_dev, found.st_ino) == self._file:
                return
        except OSError:
            pass
        assert self.path is not None
        self._fd = _above_stdio(os.open(self.path, os.O_RDWR | os.O_CLOEXEC))
        found = os.fstat(self._fd)
        if (found.st_dev, found.st_ino) != self._file:
            os.close(self._fd)
            raise OSError("the file was replaced by another")

    # -- forks
    # ---------------------------------------------------------------------------------------

    def forked(self) -> None:
        """To be called in a forked child: from here on it has a shard of its own, made when it
        first records."""
        self.lock = _thread.RLock()
        self.busy = False
        self.deferred = []
        self.pid = os.getpid()
        self.mem[0] = Asleep(self)
        self._fd = -1
        self.path = None
        if self.directory is not None and os.geteuid() == 0:
            # A child that gives up root could not create its file later.
            try:
                self._create(self.pid, int.from_bytes(os.urandom(8), "big"))
            except OSError:
                self._fd = -1

    def _wake(self) -> None:
        like = self._mappings[-1]
        taken = tuple(self._regions)
        self._open(taken, like)

    def check(self) -> None:
        """Makes the file anew if somebody removed it (a cleaner of temporary files): numbers go on
        from zero in it.

        The exporter keeps what it last read of the removed one.
        """
        if self.path is None or isinstance(self.mem[0], Asleep):
            return
        try:
            found = os.stat(self.path)
            if (found.st_dev, found.st_ino) == self._file:
                return
        except FileNotFoundError:
            pass
        with self.lock:
            assert self.directory is not None
            os.makedirs(self.directory, 0o700, exist_ok=True)
            self._fd = -1
            self._wake()

    def close(self) -> None:
        """Gives up the shard: for tests and embedding; a program's own shard ends with its
        process."""
        if self in _shards:
            _shards.remove(self)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self.path is not None:
            try:
                os.unlink(self.path)
            except OSError:
                pass
            self.path = None


def _map(fd: int, size: int) -> mmap.mmap:
    """Maps the file so that no descriptor of 0 to 2 is taken, and none at all from 3.13 on."""
    if _TRACKS:
        return mmap.mmap(fd, size, trackfd=False)  # type: ignore[call-arg,unused-ignore]
    blocked = _fill_stdio()
    try:
        return mmap.mmap(fd, size)
    finally:
        for low in blocked:
            os.close(low)


def _fill_stdio() -> list[int]:
    """Opens every closed descriptor of 0 to 2, so that what comes next lands above them; returns
    those opened."""
    opened: list[int] = []
    while True:
        fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if fd > 2:
            os.close(fd)
            return opened
        opened.append(fd)


def _above_stdio(fd: int) -> int:
    if fd > 2:
        return fd
    blocked = _fill_stdio()
    try:
        higher = os.dup(fd)
    finally:
        for low in [fd, *blocked]:
            os.close(low)
    return higher


def _forked() -> None:
    for shard in list(_shards):
        try:
            shard.forked()
        except BaseException as error:
            guard.failed("store", error)


def encode(value: Mapping[str, object]) -> bytes:
    """`value` as a descriptor's payload."""
    # Imported here: a program that uses no known library never needs it.
    import json

    return json.dumps(value, separators=(",", ":")).encode()


_TRACKS = sys.version_info >= (3, 13)
_shards: list[Shard] = []
os.register_at_fork(after_in_child=_forked)
