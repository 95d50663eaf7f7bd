"""MONAGENT_BUCKETS_<METRIC>: how a variable spells a histogram's name, and whether there is one.

Loaded where such a variable is set.
"""

from __future__ import annotations

from monagent import units
from monagent.settings_kinds import metric_name
from monagent.settings_names import edits, nearest
from monagent.settings_table import BUCKETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.settings import Settings

TYPO = 2
"""Edits that make another name a misspelt one, rather than that of somebody else's metric."""

HISTOGRAMS = (
    ("asyncio.eventloop.delay", "s"),
    ("cpython.gc.duration", "s"),
    ("db.client.connection.use_time", "s"),
    ("db.client.connection.wait_time", "s"),
    ("db.client.operation.duration", "s"),
    ("graphql.server.operation.duration", "s"),
    ("graphql.server.subscription.duration", "s"),
    ("http.client.connection.duration", "s"),
    ("http.client.connection.wait_time", "s"),
    ("http.client.request.body.size", "By"),
    ("http.client.request.duration", "s"),
    ("http.client.response.body.size", "By"),
    ("http.client.retry_after", "s"),
    ("http.server.request.body.size", "By"),
    ("http.server.request.duration", "s"),
    ("http.server.request.queue.duration", "s"),
    ("http.server.response.body.size", "By"),
    ("http.server.time_to_first_byte", "s"),
    ("job.execution.duration", "s"),
    ("job.wait.duration", "s"),
    ("rpc.client.call.duration", "s"),
    ("rpc.server.call.duration", "s"),
    ("socketio.connection.duration", "s"),
    ("sse.connection.duration", "s"),
    ("websocket.connection.duration", "s"),
)
"""Every histogram of the conventions, with its unit."""


def spellings(metric: str, unit: str) -> tuple[str, ...]:
    """How a variable may spell a histogram's name: as it is, and as the endpoint shows it, with
    the unit. The first that is set holds."""
    name, shown = metric_name(metric), units.unit(unit).upper()
    if not shown or name.endswith(f"_{shown}"):
        return (name,)
    return name, f"{name}_{shown}"


def check(settings: Settings) -> None:
    """Buckets for a histogram that monagent has not: wrong where its name is ours but for a typo.

    The program may have some of its own, by MONAGENT_ADOPT or by monagent.embedding.
    """
    known = [name for metric, unit in HISTOGRAMS for name in spellings(metric, unit)]
    for name in sorted(settings.edges.keys() - set(known)):
        variable = settings.origins["buckets." + name.lower()]
        meant = nearest(name, known)
        typo = meant is not None and edits(name, meant) <= TYPO
        if settings.adopt and not typo:
            continue
        hint = f"; did you mean {BUCKETS}{meant}?" if meant else ", see `monagent metrics`"
        place = f"{settings.places[variable]}: " if variable in settings.places else ""
        said = f"{place}{variable}: found no histogram of monagent's by this name{hint}"
        (settings.problems if typo and not settings.adopt else settings.remarks).append(said)
