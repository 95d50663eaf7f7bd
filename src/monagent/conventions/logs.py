"""Log records, by level and logger; never their text."""

from __future__ import annotations

from monagent.clock import perf_counter
from monagent.metrics import Counter, cache
from monagent.metrics.pulse import due, later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}

OTHER = "_OTHER"
"""Level of a record whose number has no name."""

MESSAGES = Counter(
    "log.messages",
    unit="{record}",
    help="Log records that passed their logger's level and filters.",
    labels=("level", "logger"),
    limit=2_000,  # Some programs make a logger for each connection.
)

_recorders: dict[tuple[int, str], Callable[[float], None]] = cache()
_MOST = 2_000


def message(number: int, level: str | None, logger: str) -> None:
    """A record of the level with this number; `level`: the name that the program gave it."""
    try:
        _recorders[number, logger](1)
    except KeyError:
        made = MESSAGES.bind(LEVELS.get(number) or (level.lower() if level else OTHER), logger)
        if len(_recorders) < _MOST:
            _recorders[number, logger] = made
        made(1)
    now = perf_counter()
    if now > due[0]:
        later(now)  # Programs log first of all.
