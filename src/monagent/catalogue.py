"""The catalogue: every metric that the conventions declare or the exporter adds, under the names of
the endpoint."""

from __future__ import annotations

import importlib
import os
import sys

from monagent import conventions, metrics, units
from monagent.exporter import naming
from monagent.exporter.families import RESOURCE, SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from monagent.store.reader import Instrument


def exposed(metric: metrics.Metric | Instrument) -> str:
    """The name on the endpoint; of a histogram without `_bucket`, `_count` and `_sum`."""
    name = naming.family(metric.name, metric.kind, units.unit(metric.unit))
    return name + "_total" if metric.kind == "counter" else name


def declared() -> list[tuple[str, metrics.Metric]]:
    """Every metric with the family that declares it."""
    known: dict[int, str] = {}
    for family in families():
        module = importlib.import_module(f"monagent.conventions.{family}")
        for value in vars(module).values():
            if isinstance(value, metrics.Metric):
                known.setdefault(id(value), family)
    ours = {  # A program that asks for the catalogue may have declared some of its own.
        id(value)
        for name, module in list(sys.modules.items())
        if name.startswith("monagent.")
        for value in vars(module).values()
        if isinstance(value, metrics.Metric)
    }
    made = [
        (known.get(id(metric), "monagent"), metric)
        for metric in metrics.declared()
        if id(metric) in ours
    ]
    return sorted(made, key=lambda pair: pair[0])


def added() -> list[tuple[Instrument, tuple[str, ...]]]:
    """What the exporter adds about processes, service and itself, with the labels of each."""
    from monagent.exporter import processes, resource, selfmetrics

    told = {resource.TARGET: resource.LABELS}
    return list({**processes.INSTRUMENTS, **told, **selfmetrics.INSTRUMENTS}.items())


def families() -> list[str]:
    """The files of conventions/."""
    (folder,) = conventions.__path__
    files = sorted(os.listdir(folder))
    return [file[:-3] for file in files if file.endswith(".py") and not file.startswith("_")]


def holds(name: str, kind: str, unit: str, scope: str = "") -> bool:
    """Whether a metric that a program makes itself would meet one of monagent's on the endpoint."""
    if not _taken:
        _taken.append(frozenset(_ours()))
    return not _taken[0].isdisjoint(_samples(name, kind, unit, scope))


def _ours() -> Iterator[str]:
    yield from RESOURCE
    for _, metric in declared():
        yield from _samples(metric.name, metric.kind, metric.unit)
    for one, _ in added():
        yield from _samples(one.name, one.kind, one.unit)


def _samples(name: str, kind: str, unit: str, scope: str = "") -> list[str]:
    """The names of the samples that the endpoint shows of a metric."""
    family = naming.family(name, kind, units.unit(unit), scope)
    return [family + suffix for suffix in SUFFIXES.get(kind, ("",))]


_taken: list[frozenset[str]] = []
