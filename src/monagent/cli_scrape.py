"""Reading an exposition, for the commands that explain: from an endpoint, a file or a directory."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException

from monagent import tree
from monagent.exporter import naming
from monagent.store import directory, process
from monagent.store.layout import Foreign
from monagent.store.reader import ShardFile

TIMEOUT = 5.0


@dataclass(frozen=True)
class Sample:
    """One line: name, labels, value."""

    name: str
    labels: dict[str, str]
    value: float


def fetch(url: str) -> str:
    """The text that an endpoint serves. Raises OSError when it does not answer, ValueError for what
    is no URL or no text."""
    # Past proxies of the environment, which do not know this machine's own addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            text: str = answer.read().decode()
    except HTTPException as error:
        raise OSError(f"no HTTP: {error}") from None
    return text


def parse(text: str) -> list[Sample]:
    """All samples of a Prometheus text; raises ValueError for any other."""
    try:
        # Not splitlines(): a label's value may hold what else ends a line elsewhere.
        return [_sample(line) for line in text.split("\n") if line and not line.startswith("#")]
    except IndexError:
        raise ValueError("no Prometheus text") from None


def _sample(line: str) -> Sample:
    name, brace, rest = line.partition("{")
    if not brace:
        name, _, value = line.partition(" ")
        return Sample(name, {}, float(value.split()[0]))
    found = list(_labels(rest))
    end = found[-1][2] if found else 0
    labels = {key: value for key, value, _ in found}
    return Sample(name, labels, float(rest[end:].lstrip("}").split()[0]))


def _labels(rest: str) -> Iterator[tuple[str, str, int]]:
    """Label, unescaped value, and where the value ends; quotation marks may be escaped."""
    at = 0
    while rest[at] != "}":
        key, _, _ = rest[at:].partition("=")
        at += len(key) + 2
        value = ""
        while rest[at] != '"':
            if rest[at] == "\\":
                at += 1
                value += {"n": "\n"}.get(rest[at], rest[at])
            else:
                value += rest[at]
            at += 1
        at += 1
        yield key.strip(","), value, at
        if rest[at] == ",":
            at += 1


def of_shard(path: str) -> list[Sample]:
    """The gauges of one process, read from its file: they leave the endpoint when it ends."""
    try:
        shard = ShardFile.open(path)
    except (OSError, Foreign):
        return []
    try:
        shard.refresh()
        cells = shard.values()
        return [
            Sample(
                naming.metric(one.instrument.name),
                {naming.label(key): naming.value(text) for key, text in one.attributes.items()},
                cells[one.index],
            )
            for one in shard.series
            if one.instrument.kind == "gauge"
        ]
    finally:
        shard.close()


def running() -> dict[str, str]:
    """Endpoints of the trees that run on this machine as this user, by state directory."""
    found = {}
    for place in directory.places(os.environ):
        home = f"{place}/monagent-{os.geteuid()}"
        for name in sorted(os.listdir(home)) if os.path.isdir(home) else ():
            path = f"{home}/{name}"
            root, url = directory.read_root(path), tree.endpoint(path)
            if root and url and process.start_ticks(root[0]) == root[1]:
                found[path] = url
    return found
