"""How long a message was under way: a stamp that its sender adds, and the clocks it is read with.

A stamp is text: `monagent/<Unix time>/<boot>/<monotonic time>`. On the machine that sent it the
monotonic clock tells its age, whatever happens to the time of day. Between machines the times of
day are compared, and how far a sender's differs is learnt from messages that an idle worker got:
those cannot have waited.
"""

from __future__ import annotations

from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    Sent = tuple[float, str, float]
    """Unix time by the sender's clock, the sender's boot, monotonic time there."""

PREFIX = "monagent/"
SENDERS = 1_000
"""Machines whose clocks are remembered."""

_boot: list[str] = []


def stamp() -> str:
    """The stamp of a message that is sent now."""
    return f"{PREFIX}{time():.6f}/{boot()}/{monotonic():.6f}"


def read(text: object) -> Sent | None:
    """A stamp's parts; None when the text is no stamp."""
    if not isinstance(text, str) or not text.startswith(PREFIX):
        return None
    try:
        _, at, where, ticks = text.split("/")
        return float(at), where, float(ticks)
    except ValueError:
        return None


def boot() -> str:
    """What tells this run of this machine from others."""
    if not _boot:
        try:
            with open("/proc/sys/kernel/random/boot_id", "rb") as file:
                _boot.append(file.read(8).decode("ascii"))
        except (OSError, ValueError):
            _boot.append("")
    return _boot[0]


class Clock:
    """Ages of messages as one worker sees them."""

    def __init__(self) -> None:
        self._ahead: dict[str, float] = {}  # of senders' clocks, in seconds, by boot

    def age(self, sent: Sent, idle: bool) -> float:
        """Seconds since a message was sent; `idle`: its worker had been waiting for one."""
        at, where, ticks = sent
        if where and where == boot():
            return max(0.0, monotonic() - ticks)
        apparent = time() - at
        # A message that seems to come from the future tells the least that the clock is ahead.
        if (idle or apparent < -self._ahead.get(where, 0.0)) and (
            where in self._ahead or len(self._ahead) < SENDERS
        ):
            self._ahead[where] = -apparent
        return max(0.0, apparent + self._ahead.get(where, 0.0))
