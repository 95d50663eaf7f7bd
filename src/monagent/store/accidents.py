"""What may befall a shard's file while its process lives: there was no room for it at first, or
somebody removed it.  The process looks every few seconds of recorded work.

Its directory may have gone before it makes one: with a tree whose exporter saw nobody left."""

from __future__ import annotations

from errno import ENOENT

from monagent import guard
from monagent.clock import monotonic
from monagent.store import directory, layout, visitors
from monagent.store.asleep import Asleep
from monagent.system import os
from monagent.where import VISITORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.store.file import File
    from monagent.store.shard import Shard


def check(shard: Shard) -> None:
    """Gives the shard a file if it should have one and has not."""
    if os.getpid() != shard.pid:  # Forked without Python's hooks.
        shard.forked()
    file = shard._file
    if isinstance(shard.mem[0], Asleep) or shard.directory is None:
        return
    if monotonic() < shard._full_until if file is None else file.present():
        return
    with shard.lock:
        # Busy: a signal handler came in the midst of making a series.
        if shard.busy or shard._file is not file or shard.directory is None:
            return
        if file is None:
            _move_to_file(shard)
        else:
            _make_anew(shard, shard.directory)
    if file is not None:
        file.close()


def directory_again(path: str) -> None:
    """Makes a state directory anew for a process that records for the first time.  Raises
    OSError."""
    if path.endswith(VISITORS):
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), path)  # It is root's to make.
    try:
        directory.restore(path)
    except directory.Refused as error:
        raise OSError(str(error)) from error


def _make_anew(shard: Shard, path: str) -> None:
    """A cleaner of temporary files was here: numbers go on from zero in another file, and the
    exporter keeps what it last read of the removed one."""
    try:
        if not visitors.is_place(path):  # Of those the host takes care.
            directory.restore(path)
    except (OSError, directory.Refused) as error:
        shard.reason = f"{path} was removed and cannot be made again: {error}"
        guard.say(f"{shard.reason}; metrics of process {shard.pid} are not served")
        shard.directory = None
    shard._file = None
    shard._wake()


def _move_to_file(shard: Shard) -> None:
    """What was recorded in memory alone goes into a file, if there is room for one by now."""
    size, old, seen = shard._size, shard._mappings[-1], shard.mem[0]
    file: File | None = None
    try:
        file = shard.new_file(shard.pid, shard.nonce)
        mapping = file.mapping(0, size)
    except (OSError, ValueError):
        if file is not None:
            file.discard()
        shard._later()
        return
    view = memoryview(mapping).cast("d")
    locked = mapping[layout.LOCKED]
    rest = slice(len(layout.MAGIC), size)
    # First, since a child copies from the last one.
    shard._mappings.insert(0, mapping)
    # Nothing may be recorded from here to the view's change, hence no call and no jump back.
    if shard.mem[0] is not seen:  # A signal handler forked: we are the child, it is not our file.
        return
    mapping[rest] = old[rest]
    shard.mem[0] = view
    mapping[layout.LOCKED] = locked
    mapping[: len(layout.MAGIC)] = layout.MAGIC
    shard._file = file
    shard._mappings.append(mapping)
    shard._wait = 1.0
    shard.reason = ""
    guard.say(f"there is room in {shard.directory}: metrics of process {shard.pid} are served")
