"""What monagent says about itself: libraries it knows in this program, and errors it swallowed."""

from __future__ import annotations

from monagent.metrics import Counter, Gauge

INSTRUMENTATION = Gauge(
    "monagent.instrumentation.info",
    help="Libraries that monagent knows in this program, and why one is not recorded.",
    labels=("library", "version", "status", "reason"),
    merge="ever",
)
ERRORS = Counter(
    "monagent.errors",
    unit="{error}",
    help="Errors inside monagent that were swallowed, by the part they happened in.",
    labels=("component",),
)


def instrumentation(library: str, version: str, state: str, reason: str, value: int) -> None:
    """A library is in this state (1) or no longer (0)."""
    if state == "active":
        ERRORS.bind(library)(0)  # from zero on, so that a first error shows as an increase
    INSTRUMENTATION.bind(library, version, state, reason)(value)


def failed(component: str) -> None:
    """An error was swallowed."""
    ERRORS.bind(component)(1)
