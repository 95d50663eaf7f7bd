"""Shard files made to order: with the numbers, the process and the damage that a test wants."""

from __future__ import annotations

import binascii
import itertools
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

from monagent.store import layout, process
from monagent.store.reader import Instrument, ShardFile

_nonces = itertools.count(1)

REQUESTS = Instrument("http.requests", "counter", "{request}", "Requests.")
LATENCY = Instrument(
    "http.server.request.duration", "histogram", "s", "Duration.", (0.1, 1.0), "sum", True
)
ACTIVE = Instrument("http.server.active_requests", "updowncounter", "{request}", "In flight.")
TEMPERATURE = Instrument("room.temperature", "gauge", "Cel", "Warmth.", (), "max")
LIBRARIES = Instrument("libraries.info", "gauge", "", "Libraries.", (), "ever")


@dataclass
class Forged:
    """One shard file; `series` are (instrument, attributes, cells)."""

    directory: str
    series: list[tuple[Instrument, dict[str, Any], list[float]]] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    pid: int = 0
    created: float = 1.0
    path: str = ""
    nonce: int = 0

    def __post_init__(self) -> None:
        self.nonce = next(_nonces)
        self.pid = self.pid or os.getpid()
        self.path = f"{self.directory}/{self.pid}-{self.nonce:016x}.shard"
        self.write()

    def write(self) -> None:
        """Puts the file there as its process would have left it."""
        with open(self.path, "wb") as file:
            file.write(self.content())

    def content(self) -> bytes:
        """The file's bytes."""
        cells: list[float] = []
        offsets = []
        for _, _, values in self.series:
            offsets.append(len(cells))
            cells += values
        # Descriptors name places behind them: a try with none tells how much room they take.
        tried = self._records([0] * len(offsets))
        room = layout.CHUNK_HEAD + sum(map(len, tried)) + 16 * len(tried)
        head = struct.pack(
            layout.HEADER,
            layout.MAGIC,
            layout.VERSION,
            layout.HEADER_SIZE,
            self.pid,
            process.start_ticks(self.pid) or 1,
            0,
            0,
            self.created,
            self.nonce,
        )
        first = (layout.HEADER_SIZE + room + layout.CHUNK_HEAD) // 8
        records = self._records([first + offset for offset in offsets])
        body = struct.pack(layout.CHUNK, layout.DESCRIPTORS, room) + b"".join(records)
        tail = struct.pack(layout.CHUNK, layout.CELLS, len(cells) * 8 + layout.CHUNK_HEAD)
        tail += struct.pack(f"{len(cells)}d", *cells)
        return head.ljust(layout.HEADER_SIZE, b"\0") + body.ljust(room, b"\0") + tail

    def _records(self, places: list[int]) -> list[bytes]:
        records = [_record({"info": self.info})]
        numbers: dict[Instrument, int] = {}
        for (instrument, attributes, values), place in zip(self.series, places, strict=True):
            if instrument not in numbers:
                numbers[instrument] = len(numbers)
                records.append(_record(_described(numbers[instrument], instrument)))
            series = {"series": numbers[instrument], "at": place, "width": len(values)}
            records.append(_record({**series, "attributes": attributes}))
        return records


class Deaths:
    """Says which forged processes have died; pass `alive` to a roster."""

    def __init__(self) -> None:
        self.dead: set[str] = set()

    def kill(self, shard: Forged) -> None:
        """From now on the shard's process is dead."""
        self.dead.add(f"{shard.nonce:016x}")

    def alive(self, file: ShardFile) -> bool:
        """What a roster asks."""
        return file.nonce not in self.dead


def _described(number: int, instrument: Instrument) -> dict[str, Any]:
    return {
        "instrument": number,
        **{name: getattr(instrument, name) for name in Instrument.__slots__},
    }


def _record(value: dict[str, Any]) -> bytes:
    payload = json.dumps(value).encode()
    padded = len(payload) + 7 & ~7
    head = struct.pack(layout.RECORD, layout.RECORD_MAGIC, len(payload), binascii.crc32(payload), 0)
    return head + payload.ljust(padded, b"\0")
