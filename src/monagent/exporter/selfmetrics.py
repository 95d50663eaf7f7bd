"""What the exporter tells about itself, each metric declared once.

Whoever wonders why a number is missing finds here: shards that could not be read, names that clash,
deliveries that failed.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable

from monagent.exporter.own import Own
from monagent.store.reader import Instrument

SUCCESS, FAILURE = "success", "failure"
"""How a delivery ends."""

SCRAPE = Instrument(
    "monagent.scrape.duration",
    "histogram",
    "s",
    "Time to read all shards and render one scrape.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
SHARDS = Instrument(
    "monagent.shards", "gauge", "{shard}", "Shards in the state directory, by state of the process."
)
FOLDED = Instrument(
    "monagent.shards.folded", "counter", "{shard}", "Shards of ended processes added to the total."
)
UNREADABLE = Instrument(
    "monagent.shards.unreadable",
    "counter",
    "{time}",
    "Times that a shard or a record of one was damaged or foreign and was passed over.",
)
SERIES = Instrument("monagent.series", "gauge", "{series}", "Series that the exporter holds.")
PROCESSES = Instrument(
    "monagent.processes", "gauge", "{process}", "Living processes that have recorded something."
)
CONFLICTS = Instrument(
    "monagent.metric.conflicts",
    "gauge",
    "{metric}",
    "Metrics that share a name: merged (they differ in help or unit) or hidden (in type).",
)
START = Instrument(
    "monagent.exporter.start_time", "gauge", "s", "When this exporter process started, unix time."
)
MEMORY = Instrument("monagent.exporter.memory", "gauge", "By", "Physical memory the exporter uses.")
CPU = Instrument("monagent.exporter.cpu.time", "counter", "s", "CPU time the exporter has used.")
DELIVERIES = Instrument(
    "monagent.deliveries",
    "counter",
    "{delivery}",
    "Deliveries of all metrics, by goal and outcome.",
)
REJECTED = Instrument(
    "monagent.deliveries.rejected",
    "counter",
    "{data_point}",
    "Data points that a goal has left out of deliveries it took.",
)
BINDS = Instrument(
    "monagent.exporter.bind.failures",
    "counter",
    "{failure}",
    "Times that the endpoint's port could not be had.",
)
SHED = Instrument(
    "monagent.http.connections.shed",
    "counter",
    "{connection}",
    "Connections closed because there were too many or they said nothing in time.",
)
PYTHON = Instrument(
    "python.info", "gauge", "", "Python platform information of the living processes."
)
BUILD = Instrument("monagent.build.info", "gauge", "", "Version of monagent that exports.")

INSTRUMENTS = {
    SCRAPE: (),
    SHARDS: ("state",),
    FOLDED: (),
    UNREADABLE: (),
    SERIES: (),
    PROCESSES: (),
    CONFLICTS: ("outcome",),
    START: (),
    MEMORY: (),
    CPU: (),
    DELIVERIES: ("goal", "outcome"),
    REJECTED: ("goal",),
    BINDS: (),
    SHED: (),
    PYTHON: ("implementation", "major", "minor", "patchlevel", "version"),
    BUILD: ("version",),
}
"""All of them, with the labels of each."""


def announce(own: Own, version: str, now: float) -> None:
    """Makes visible from the start what may stay 0 for long."""
    own.put(BUILD, 1.0, version=version)
    own.put(START, now)
    for instrument in (FOLDED, UNREADABLE, BINDS, SHED):
        own.add(instrument, 0)


def announce_goals(own: Own, goals: Iterable[str]) -> None:
    """Makes visible that nothing was delivered to these yet."""
    for goal in goals:
        for outcome in (SUCCESS, FAILURE):
            own.add(DELIVERIES, 0, goal=goal, outcome=outcome)
        own.add(REJECTED, 0, goal=goal)


def usage(own: Own, before: float) -> float:
    """Counts the exporter's own CPU time since `before`; returns the time now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    now = used.ru_utime + used.ru_stime
    own.add(CPU, max(0.0, now - before))
    own.put(MEMORY, _resident() or used.ru_maxrss * 1024)
    return now


def _resident() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
