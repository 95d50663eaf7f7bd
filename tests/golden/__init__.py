"""Golden expositions: the names, types and labels of what a library records, one file for each.

`pytest --update-golden` writes the files anew; a difference in them is then part of the change.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

Golden = Callable[..., None]
"""`golden(name, read, *prefixes)`: what `read()` returns must come to have the shape that is kept
under this name; only metrics whose names begin with one of the prefixes count (all, if none)."""

HOME = Path(__file__).parent
PATIENCE = 20.0

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? \S+$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def shape(text: str, prefixes: tuple[str, ...] = ()) -> str:
    """An exposition without values: its metadata, and each series as its name and label names.

    It is an exposition itself.  Buckets stand as one, since edges are settings.
    """
    kept: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith("# EOF"):
            continue
        if line.startswith("#"):
            family = line.split(" ", 3)[2]
            kept.setdefault(family, set()).add(line)
            continue
        found = _SAMPLE.match(line)
        assert found, f"no sample: {line!r}"
        names = sorted(name for name, _ in _LABEL.findall(found["labels"] or ""))
        inner = ",".join(f'{name}="*"' for name in names)
        sample = found["name"] + (f"{{{inner}}}" if inner else "") + " 0"
        kept.setdefault(_family(found["name"], kept), set()).add(sample)
    lines = []
    for family in sorted(kept):
        if not prefixes or family.startswith(prefixes):
            # Metadata first: "#" sorts before letters.
            lines += sorted(kept[family])
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, known: dict[str, set[str]]) -> str:
    for suffix in ("_bucket", "_count", "_sum", "_total", "_info"):
        if name.endswith(suffix) and name.removesuffix(suffix) in known:
            return name.removesuffix(suffix)
    return name


def check(
    name: str, read: Callable[[], str], prefixes: tuple[str, ...], update: bool, seconds: float
) -> None:
    """Compares with the file of this name, or writes it.

    A program writes its numbers one after the other, so a reader may come between two of them:
    what is there is read again until it agrees, or the seconds are over.
    """
    path = HOME / f"{name}.prom"
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(shape(read(), prefixes))
        return
    assert path.exists(), f"{path} is missing; write it with --update-golden"
    expected = path.read_text()
    end = time.monotonic() + seconds
    while (found := shape(read(), prefixes)) != expected and time.monotonic() < end:
        time.sleep(0.1)
    assert found == expected, f"{path} differs; --update-golden if it is on purpose"
