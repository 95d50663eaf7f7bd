"""The CPU time that a process says, at its end, that it has used: nobody sees that between the last
look at it and its end.

A forked child that has recorded nothing has no shard.  It leaves a file for this alone, with what
the first process tells about itself and no series, and keeps quiet where it can have none.
"""

from __future__ import annotations

from monagent import guard
from monagent.clock import process_time, time
from monagent.store import layout, process
from monagent.store.asleep import Asleep
from monagent.store.regions import Region
from monagent.system import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

    from monagent.store.shard import Shard

LEAST = 0.01
"""Seconds for which a child that has recorded nothing leaves a file: what the kernel counts in."""


def say(shard: Shard) -> None:
    """To be called in the process of this shard when it ends, perhaps more than once."""
    try:
        _say(shard)
    except BaseException as error:
        guard.failed("store", error)


def _say(shard: Shard) -> None:
    if shard.pid != os.getpid():
        return
    seen = shard.mem[0]
    if shard._file is not None:
        mapping = shard._mappings[-1]
    elif not isinstance(seen, Asleep) or process_time() < LEAST:
        return
    else:
        if seen.note is None:
            seen.note = _note(shard)
        if seen.note is None:
            return
        mapping = seen.note
    # Each of these two is cut off to 0.01 seconds, which is much of a short child's time.
    user, system = os.times()[:2]
    said = layout.times(max(user, process_time() - system), system)
    mapping[layout.USED : layout.USED + len(said)] = said


def _note(shard: Shard) -> mmap.mmap | None:
    """A file beside the shard, which is still to be made should something be recorded yet."""
    identity = process.own()
    if shard.directory is None or not identity.start_ticks:
        return None  # Without its start nobody could tell that it is one whom he has seen.
    room = Region(layout.DESCRIPTORS, layout.HEADER_SIZE + layout.CHUNK_HEAD, 0)
    room.end = room.start + len(shard.told)
    nonce = int.from_bytes(os.urandom(8), "big")
    try:
        file = shard.new_file(identity.pid, nonce, anew=False)
    except (OSError, ValueError):
        return None
    try:
        mapping = file.mapping(0, room.end)
    except (OSError, ValueError):
        file.discard()
        return None
    shard._mappings.insert(0, mapping)  # Never dropped, and not the one that a child copies from.
    room.write_head(mapping)
    mapping[room.start : room.end] = shard.told
    header = layout.header(identity, time(), nonce)
    mapping[len(layout.MAGIC) : len(header)] = header[len(layout.MAGIC) :]
    mapping[: len(layout.MAGIC)] = layout.MAGIC
    file.close()
    return mapping
