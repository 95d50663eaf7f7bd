"""Small programs that record, each run as a process of its own, and what they left behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import Counter
from typing import Any

from monagent.store import layout
from monagent.store.attributes import identity
from monagent.store.reader import ShardFile, scan

PREAMBLE = """
import os, sys, threading, signal, time
from monagent.metrics import Counter, Histogram, Recording, UpDownCounter, use, pulse
from monagent.store.shard import Shard
DIRECTORY = sys.argv[1]
HITS = Counter("hits", help="Hits.", labels=("who",))
LATENCY = Histogram("latency", help="Latency.", labels=("who",), buckets=(1.0, 2.0))
shard = Shard(DIRECTORY)
use(Recording(shard))
"""


def run(
    code: str, directory: object, *arguments: str, preamble: str = PREAMBLE, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Runs the preamble and then `code` to its end, and checks that it exits with 0."""
    text = preamble + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text, str(directory), *arguments],
        check=True,
        timeout=60,
        **{"text": True, "capture_output": True, **how},
    )


def shards(directory: object) -> list[ShardFile]:
    """All shards that can be read."""
    found = []
    for path in scan(str(directory)):
        try:
            found.append(ShardFile.open(path, keep=False))
        except layout.Foreign:
            continue
    return found


def totals(directory: object, name: str = "hits") -> dict[Any, float]:
    """By the value of `who`, what all shards say of the metric: a counter's value, a histogram's
    count."""
    found: dict[Any, float] = {}
    for shard in shards(directory):
        values = shard.values()
        for one in shard.series:
            if one.instrument.name == name:
                cells = values[one.index : one.index + one.width]
                count = sum(cells[1:]) if one.instrument.kind == "histogram" else cells[0]
                who = one.attributes.get("who")
                found[who] = found.get(who, 0) + count
    return found


def repeated(shard: ShardFile) -> int:
    """How many series of the shard are declared more than once."""
    known = Counter((one.instrument, identity(one.attributes)) for one in shard.series)
    return sum(times - 1 for times in known.values())
