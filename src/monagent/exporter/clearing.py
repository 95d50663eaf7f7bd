"""What trees leave on disk: that of the own tree at its end, and that of others, whose exporters
were killed with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from monagent import tree
from monagent.exporter.roster import somebody_records
from monagent.store import directory, visitors
from monagent.where import VISITORS


def sweep(path: str) -> None:
    """Remove what ended trees beside the one at `path` have left in memory."""
    try:
        for other in tree.abandoned(path):
            if not somebody_records(other):
                shutil.rmtree(other, ignore_errors=True)
                shutil.rmtree(other + VISITORS, ignore_errors=True)
    except OSError:
        pass


def clear(
    path: str, root: tuple[int, int] | None, lock: str, leftovers: Iterable[str], chosen: bool
) -> None:
    """Remove what is ours; a shard that somebody has just made keeps the directory.

    Args:
        root: the tree's, as the exporter knows it.
        lock: the exporter's lock file, which goes last but for the directories.
        leftovers: files in the directory that are nobody's any more.
        chosen: somebody has named the directory, and it stays.
    """
    names = [
        directory.RETAINED,
        directory.LEDGER,
        directory.ENDPOINT,
        directory.WAITING,
        directory.LOG,
        directory.ENDED,
        directory.SUPERVISOR,
        directory.SUPERVISOR + directory.STDERR,
    ]
    if directory.read_root(path) == root:
        names += [directory.ROOT, directory.ROOT + directory.STDERR]
    for name in names:
        for file in (f"{path}/{name}", f"{path}/{name}.new"):
            _remove(file)
    for file in [*leftovers, lock]:
        _remove(file)
    visitors.remove(path)
    for place in [f"{path}/{directory.INNER}"] if chosen else [f"{path}/{directory.INNER}", path]:
        try:
            os.rmdir(place)
        except OSError:
            pass


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
