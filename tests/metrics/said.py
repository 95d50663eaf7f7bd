"""What a shard says, as a test wants to see it."""

from __future__ import annotations

from typing import Any

from monagent.store.attributes import identity
from monagent.store.reader import Instrument, ShardFile
from monagent.store.shard import Shard


def said(shard: Shard) -> dict[str, dict[Any, Any]]:
    """By metric and attributes (the value itself where there is only one): a number, or a
    histogram's cells."""
    file = ShardFile(shard.snapshot())
    values = file.values()
    found: dict[str, dict[Any, Any]] = {}
    for one in file.series:
        cells = list(values[one.index : one.index + one.width])
        kept = found.setdefault(one.instrument.name, {})
        told = list(one.attributes.values())
        key = told[0] if len(told) == 1 else tuple(sorted(one.attributes.items()))
        assert key not in kept or isinstance(key, (bool, int, float)), "declared twice"
        kept[key] = cells if one.instrument.kind == "histogram" else cells[0]
    return found


def instruments(shard: Shard) -> dict[str, Instrument]:
    """The metrics by name."""
    return {one.instrument.name: one.instrument for one in ShardFile(shard.snapshot()).series}


def identities(shard: Shard) -> list[Any]:
    """All series, so that equal ones are equal and others are not."""
    return [identity(one.attributes) for one in ShardFile(shard.snapshot()).series]
