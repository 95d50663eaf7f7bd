"""The shard's file format: what `shard` writes and `reader` reads.

A shard holds what one process has recorded.  It is a file of 8-byte aligned, native-endian fields:

* a header of `HEADER_SIZE` bytes::

      offset  size  field
           0     8  magic ``MONAGENT``, written last: without it the file is still being made
           8     4  version of this format (u32, `VERSION`)
          12     4  size of this header (u32)
          16     8  pid of the process (u64)
          24     8  start of the process, clock ticks after boot: field 22 of proc(5) stat (u64)
          32     8  address of the program's arguments, which an exec moves: field 48 (u64)
          40     8  inode of the process's pid namespace (u64)
          48     8  time of creation, unix seconds (f64)
          56     8  nonce, random: the shard's own name (u64)
          64     1  1 if the process holds a lock of flock(2) on the file while it lives, 2 if from
                    now on the lock alone says so: the interpreter ends, its process may not (u8)
          72    16  CPU time in seconds that the process had used, as a user and as the system, when
                    it last said so, at its end (2 f64)
          88     …  zeros

  The fields from 24 to 47 are 0 where the system does not tell them.

* chunks, one after the other up to the file's end, each with a head of `CHUNK_HEAD` bytes: kind
  (u64, `CELLS` or `DESCRIPTORS`), size with this head in bytes (u64).  A chunk whose size is 0 is
  not made yet.

* in a chunk of cells: doubles.  A cell is addressed by its offset in the file divided by 8.

* in a chunk of descriptors: records, each `RECORD_HEAD` bytes — magic (u32), length of the payload
  in bytes (u32), CRC-32 of the payload (u32), zero (u32) — and then a payload of JSON, padded with
  zeros to 8 bytes.  A record is one of::

      {"info": {…}}
      {"instrument": 3, "name": …, "kind": …, "unit": …, "help": …, "bounds": […],
       "merge": …, "minmax": …, "scope": [name, version, schema URL]}
      {"series": 3, "at": 1234, "width": 15, "attributes": {…}}
      {"joint": 1300, "width": 15, "spread": [[0, 1234], [1, 1251]], "counts": [[1200, -1]]}

  The first tells about the process, the second declares metric number 3, the third gives one of
  its series the cells from index 1234 on, the fourth makes joint cells.  Attribute values that JSON
  has no form for are objects of one member: ``{"bytes": base64}`` and ``{"mapping": {…}}``; a list
  stands for a sequence.  A process that was forked while a series was being made may declare it
  twice: its cells add up.

The cells of a series, from its index:

* ``counter`` and ``updowncounter``: the value.
* ``gauge``: the value, and the unix time of its last change (0: never set).
* ``histogram``: the sum, then a count for each bucket (not cumulative, the last one is +Inf), and
  with ``minmax`` the smallest and the largest value (valid once a bucket counts something).

A gauge's series with the attribute `SOCKET` holds no value.  That is the inode of a listening
socket: a reader asks the system how many connections wait there, and adds up what waits at all
sockets of a series without that attribute; 0 stands for all at which the process listens.

Joint cells save whoever records most additions where one event goes to several series alike: from
their index, a sum and a count for each bucket, as of a histogram.  For each pair of ``spread`` a
reader adds them, from the one at this offset to the last, to the cells from this index on; for each
pair of ``counts`` it adds the number of all that were counted, times a factor, to a cell.  A factor
below zero takes off what was added when the event began, perhaps just after a reader read that:
such a cell ends at 0, not below.

Records are only ever appended.  A record whose CRC does not fit is passed over: the reader goes on
at the next magic.
"""

from __future__ import annotations

import binascii
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.store.process import Identity

MAGIC = b"MONAGENT"
VERSION = 2
HEADER_SIZE = 512
LOCKED = 64
ENDING = 2
USED = 72
CHUNK_HEAD = 16
RECORD_HEAD = 16
RECORD_MAGIC = b"\xabREC"

CELLS = 1
DESCRIPTORS = 2

HEADER = "=8sIIQQQQdQ"
CHUNK = "=QQ"
RECORD = "=4sIII"
TIMES = "=dd"

SUFFIX = ".shard"

SOCKET = "monagent.socket"

KINDS = frozenset({"counter", "updowncounter", "histogram", "gauge"})


class Foreign(Exception):
    """The file is no shard of this version, or is torn beyond use; the message says why."""


class Nascent(Foreign):
    """The file is still being made by its process (or the process died while making it)."""


def width(kind: str, bounds: int, minmax: bool) -> int:
    """How many cells a series of `kind` has, with `bounds` bucket edges."""
    if kind == "histogram":
        return 2 + bounds + (2 if minmax else 0)
    return 2 if kind == "gauge" else 1


def header(identity: Identity, created: float, nonce: int) -> bytes:
    """The header of the shard of this process."""
    return struct.pack(
        HEADER,
        MAGIC,
        VERSION,
        HEADER_SIZE,
        identity.pid,
        identity.start_ticks,
        identity.arguments_at,
        identity.namespace,
        created,
        nonce,
    )


def times(user: float, system: float) -> bytes:
    """CPU time in seconds, as it stands in a header."""
    return struct.pack(TIMES, user, system)


def record(payload: bytes) -> bytes:
    """A descriptor record with this payload."""
    length = len(payload)
    padded = length + 7 & ~7
    return struct.pack(
        f"{RECORD}{padded}s", RECORD_MAGIC, length, binascii.crc32(payload), 0, payload
    )
