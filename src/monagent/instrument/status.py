"""Which libraries are watched, and if not, why: what `monagent doctor` and a metric tell.

A state is one of ACTIVE, OFF (by a setting), UNSUPPORTED (by its version), MISSING (a target is not
there), FAILED (an error of ours) and ADOPTED (an OpenTelemetry instrumentor records).
"""

from __future__ import annotations

from monagent import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ACTIVE = "active"
ADOPTED = "adopted"
FAILED = "failed"
MISSING = "missing"
OFF = "off"
UNSUPPORTED = "unsupported"


class Status:
    """State of one library in this process; `reason` is a sentence, "" when all is well."""

    __slots__ = ("library", "reason", "state", "version")

    def __init__(self, library: str, version: str, state: str, reason: str = "") -> None:
        self.library = library
        self.version = version
        self.state = state
        self.reason = reason


known: dict[str, Status] = {}
"""By library, of those that this process has begun to import."""

listeners: list[Callable[[Status, Status | None], None]] = []
"""Told of every change: the new state and the one before."""


def put(library: str, version: str, state: str, reason: str = "") -> None:
    """Enter a state; the graver one of an earlier and a later problem stays."""
    before = known.get(library)
    if before is not None:
        version = version or before.version
        if before.state in (FAILED, MISSING, UNSUPPORTED) and state in (ACTIVE, ADOPTED):
            state, reason = before.state, before.reason
        if (before.version, before.state, before.reason) == (version, state, reason):
            return
    now = known[library] = Status(library, version, state, reason)
    for listener in listeners:
        try:
            listener(now, before)
        except BaseException as error:
            guard.failed("status", error)
