"""How long a message was under way: a stamp that its sender adds, and the clocks it is read with.

A stamp is text: `monagent/<Unix time>/<boot>/<monotonic time>`, times in nanoseconds. On the
machine that sent it the monotonic clock tells its age, whatever happens to the time of day. Between
machines the times of day are compared, and how far a sender's differs is learnt from messages that
an idle worker got: those cannot have waited.
"""

from __future__ import annotations

from monagent.clock import monotonic, monotonic_ns, time, time_ns
from monagent.native import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Sent = tuple[float, str, float]
    """Unix time by the sender's clock, the sender's boot, monotonic time there."""

MARK = "monagent"
SENDERS = 1_000
"""Machines whose clocks are remembered."""


def _this_boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read(8).decode("ascii")
    except (OSError, ValueError):
        return ""


BOOT = _this_boot()
"""What tells this run of this machine from others; "" where nothing does."""


def stamp(boot: str = BOOT) -> str:
    """The stamp of a message that is sent now."""
    return f"{MARK}/{time_ns()}/{boot}/{monotonic_ns()}"


stamped: Callable[[str], str] = stamp if part is None else part.stamp
"""The same for the boot given, in C where that was built."""


def read(text: object) -> Sent | None:
    """A stamp's parts; None when the text is no stamp."""
    try:
        mark, at, boot, ticks = text.split("/")  # type: ignore[attr-defined]  # that is the question
        return (int(at) / 1e9, boot, int(ticks) / 1e9) if mark == MARK else None
    except (AttributeError, TypeError, ValueError):
        return None


class Clock:
    """Ages of messages as one worker sees them."""

    def __init__(self) -> None:
        self._ahead: dict[str, float] = {}  # of senders' clocks, in seconds, by boot

    def age(self, sent: Sent, idle: bool) -> float:
        """Seconds since a message was sent; `idle`: its worker had been waiting for one."""
        at, where, ticks = sent
        if where == BOOT and where:
            age = monotonic() - ticks
            return age if age > 0.0 else 0.0
        apparent = time() - at
        # A message that seems to come from the future tells the least that the clock is ahead.
        if (idle or apparent < -self._ahead.get(where, 0.0)) and (
            where in self._ahead or len(self._ahead) < SENDERS
        ):
            self._ahead[where] = -apparent
        return max(0.0, apparent + self._ahead.get(where, 0.0))
