"""Reading shards: a file of another process, or the bytes of one's own.

Files are read, not mapped: one that is cut short under a mapping kills its reader with SIGBUS.
"""

from __future__ import annotations

import array
import binascii
import fcntl
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monagent.store import attributes, layout, process
from monagent.store.directory import INNER
from monagent.store.joint import Joint
from monagent.where import VISITORS


@dataclass(frozen=True, slots=True)
class Instrument:
    """What all series of one metric share; what the exposition needs to know of it."""

    name: str
    kind: str
    unit: str
    help: str
    bounds: tuple[float, ...] = ()
    merge: str = "sum"
    minmax: bool = False
    scope: tuple[str, str, str] = ("", "", "")

    @property
    def width(self) -> int:
        """Cells of one series."""
        return layout.width(self.kind, len(self.bounds), self.minmax)


@dataclass(frozen=True, slots=True)
class Series:
    """One series: `width` cells from `index`.

    Attribute values are None, bool, int, float, str, bytes, tuples and dicts of these.
    """

    instrument: Instrument
    attributes: dict[str, Any]
    index: int
    width: int


def scan(directory: str) -> list[str]:
    """The paths of all shard files in `directory`, in that for workers that gave up root, and in
    that for visitors; empty when there is no such directory."""
    found = []
    for place in (directory, f"{directory}/{INNER}", directory + VISITORS):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        found += [f"{place}/{name}" for name in sorted(names) if name.endswith(layout.SUFFIX)]
    return found


class ShardFile:
    """A shard, read from its file while its process goes on writing.

    Attributes:
        series, joints: all found so far, in the order of their making; `refresh` appends.
        sockets: by the inode of a listening socket the series that says what waits there.
        info: what the process told about itself.
        torn: how many damaged records were passed over.
    """

    def __init__(self, buffer: bytes, path: str = "", fd: int = -1) -> None:
        self.path = path
        self.series: list[Series] = []
        self.joints: list[Joint] = []
        self.sockets: dict[int, Series] = {}
        self.info: dict[str, Any] = {}
        self.torn = 0
        self._buffer = buffer
        self._fd = fd
        self._instruments: dict[int, Instrument] = {}
        self._next_chunk = layout.HEADER_SIZE
        self._descriptors: list[list[int]] = []  # [next record, end] of each chunk
        self._doubtful: set[int] = set()
        head = self._header()
        (_, _, _, self.pid, ticks, arguments, namespace, self.created, nonce) = head
        self.start_ticks: int = ticks
        self.nonce = f"{nonce:016x}"
        self.identity = process.Identity(self.pid, ticks, arguments, namespace)
        self.refresh()

    @classmethod
    def open(cls, path: str, keep: bool = True) -> ShardFile:
        """Opens the shard at `path`.

        A kept descriptor goes on reading a file that is deleted while its process records; without
        `keep` the path is opened anew for every reading.  Raises Foreign for what is no shard,
        Nascent for one that is still being made, OSError for what cannot be read.
        """
        fd = _opened(path)
        try:
            shard = cls(_content(fd), path, fd)
        except BaseException:
            os.close(fd)
            raise
        if not keep:
            shard.close()
        return shard

    def _header(self) -> tuple[Any, ...]:
        where = self.path or "shard"
        if len(self._buffer) < layout.HEADER_SIZE:
            raise layout.Nascent(f"{where}: shorter than a header")
        head = struct.unpack_from(layout.HEADER, self._buffer)
        if head[0] == bytes(8):
            raise layout.Nascent(f"{where}: not finished")
        if head[0] != layout.MAGIC:
            raise layout.Foreign(f"{where}: found magic {head[0]!r}, expected {layout.MAGIC!r}")
        if head[1] != layout.VERSION:
            raise layout.Foreign(f"{where}: found version {head[1]}, expected {layout.VERSION}")
        if head[2] != layout.HEADER_SIZE:
            raise layout.Foreign(
                f"{where}: found a header of {head[2]} bytes, expected {layout.HEADER_SIZE}"
            )
        return head

    def refresh(self) -> int:
        """Reads what was appended since; returns the number of new series.

        Raises Foreign and OSError as `values` does.
        """
        before = len(self.series)
        doubtful = True
        while doubtful:
            if self.path:
                self._buffer = self._read()
            self._find_chunks()
            doubtful = any(self._read_records(room) for room in self._descriptors)
        return len(self.series) - before

    def _find_chunks(self) -> None:
        size = len(self._buffer)
        while self._next_chunk + layout.CHUNK_HEAD <= size:
            kind, length = struct.unpack_from(layout.CHUNK, self._buffer, self._next_chunk)
            end = self._next_chunk + length
            if not length or length % 8 or end > size:
                return
            if kind == layout.DESCRIPTORS:
                self._descriptors.append([self._next_chunk + layout.CHUNK_HEAD, end])
            self._next_chunk = end

    def _read_records(self, room: list[int]) -> bool:
        """Reads on in one chunk; True when a record may only look torn and reading anew will tell.

        A record that was being written while the file was read looks torn, and the one behind it,
        read later, may be whole.  Records are written one after the other, so whoever reads again
        after seeing the second one finds the first one whole, or torn for good.
        """
        buffer = self._buffer
        at, end = room
        while at + layout.RECORD_HEAD <= end:
            magic, length, crc, _ = struct.unpack_from(layout.RECORD, buffer, at)
            start = at + layout.RECORD_HEAD
            if magic == layout.RECORD_MAGIC and start + length <= end:
                payload = buffer[start : start + length]
                if binascii.crc32(payload) == crc:
                    self._record(payload)
                    at = start + (length + 7 & ~7)
                    room[0] = at
                    continue
            # Not written yet, or torn.  Only another record behind it shows that it is torn.
            following = buffer.find(layout.RECORD_MAGIC, at + 8, end)
            if following < 0:
                return False
            if self.path and at not in self._doubtful:
                self._doubtful.add(at)
                return True
            self.torn += 1
            at = following
        return False

    def _record(self, payload: bytes) -> None:
        try:
            record = dict(json.loads(payload))
            if b"\\ud" in payload:
                record = _of_letters(record)
            if "series" in record:
                self._series(record)
            elif "joint" in record:
                self.joints.append(Joint.of(record, len(self._buffer) // 8))
            elif "instrument" in record:
                self._instruments[record["instrument"]] = _instrument(record)
            elif "info" in record:
                self.info = _info(record["info"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.torn += 1

    def _series(self, record: dict[str, Any]) -> None:
        index, width = record["at"], record["width"]
        instrument = self._instruments[record["series"]]
        cells = range(layout.HEADER_SIZE // 8, len(self._buffer) // 8 - instrument.width + 1)
        if width != instrument.width or type(index) is not int or index not in cells:
            self.torn += 1
            return
        found = attributes.all_from_json(record["attributes"])
        inode = found.pop(layout.SOCKET, None) if instrument.kind == "gauge" else None
        series = Series(instrument, found, index, width)
        if type(inode) is int:
            self.sockets[inode] = series
        else:
            self.series.append(series)

    def values(self) -> Sequence[float]:
        """All cells as they are now, by index (the descriptors between them are no numbers), with
        what joint cells add to them.

        Raises Foreign when the file is not what it was, OSError when it cannot be read.
        """
        buffer = self._read() if self.path else self._buffer
        cells = array.array("d")
        cells.frombytes(memoryview(buffer)[: len(buffer) & ~7])
        for joint in self.joints:
            joint.add_to(cells)
        return cells

    def _read(self) -> bytes:
        fd = self._fd if self._fd >= 0 else _opened(self.path)
        try:
            content = _content(fd)
        finally:
            if fd != self._fd:
                os.close(fd)
        head = struct.calcsize(layout.HEADER)
        if len(content) < len(self._buffer) or content[:head] != self._buffer[:head]:
            raise layout.Foreign(f"{self.path}: cut short or overwritten")
        return content

    @property
    def used(self) -> tuple[float, float]:
        """CPU time in seconds, as a user and as the system, told at the process's end, or zeros."""
        user, system = struct.unpack_from(layout.TIMES, self._buffer, layout.USED)
        return user, system

    def alive(self) -> bool:
        """Whether the process that writes this shard still runs."""
        if self._buffer[layout.LOCKED] == layout.ENDING and not self._held():
            return False  # That of an interpreter beside the main one.
        return process.alive(self.identity, held=self._held)

    def _held(self) -> bool:
        """Whether the process still holds its file's lock; true where that cannot be told."""
        if not self._buffer[layout.LOCKED]:
            return True
        try:
            fd = self._fd if self._fd >= 0 else _opened(self.path)
        except OSError as error:
            return not isinstance(error, FileNotFoundError)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(fd, fcntl.LOCK_UN)
            return False
        except OSError:
            return True
        finally:
            if fd != self._fd:
                os.close(fd)

    def close(self) -> None:
        """Gives the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Closes the file and deletes it."""
        self.close()
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass


def _instrument(record: dict[str, Any]) -> Instrument:
    """What the record declares; raises KeyError, TypeError and ValueError where it lies."""
    texts = {name: record[name] for name in ("name", "kind", "unit", "help", "merge")}
    name, version, schema_url = record["scope"]
    bounds = tuple(record["bounds"])
    if not all(isinstance(text, str) for text in (*texts.values(), name, version, schema_url)):
        raise TypeError(f"found {record}, expected text")
    if texts["kind"] not in layout.KINDS or not all(type(edge) in (int, float) for edge in bounds):
        raise ValueError(f"found {record}, expected a kind of {layout.KINDS} and numbers for edges")
    return Instrument(
        **texts, bounds=bounds, minmax=bool(record["minmax"]), scope=(name, version, schema_url)
    )


def _info(found: dict[str, Any]) -> dict[str, Any]:
    """What a process tells about itself; raises AttributeError and TypeError where it is odd."""
    for pairs in (found.get("labels"), found.get("resource")):
        if not all(isinstance(value, str) for value in (pairs or {}).values()):
            raise TypeError(f"found {pairs}, expected text")
    return found


def _of_letters(record: dict[str, Any]) -> dict[str, Any]:
    """The record without halves of surrogate pairs (Python's stand-ins for bytes that are no text):
    nothing that we serve can carry them, and series that differ in nothing else are one."""
    text = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
    return dict(json.loads(text))


def _opened(path: str) -> int:
    # Where workers make files, one of them may put anything.
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def _content(fd: int) -> bytes:
    """The whole file; read again if it grew, or a descriptor may name cells that are not there."""
    size = -1
    content = b""
    while size != (size := os.fstat(fd).st_size):
        content = os.pread(fd, size, 0)
    return content
