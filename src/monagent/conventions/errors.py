"""Exceptions that nobody caught: they ended a program or a thread, or went to a last resort."""

from __future__ import annotations

from monagent.metrics import Counter

CRITICAL = "critical"  # it ended the program
ERROR = "error"  # it ended a thread, a task or a callback
WARNING = "warning"  # it was ignored: in a destructor, in a callback of C code

ERRORS = Counter(
    "errors",
    unit="{error}",
    help="Exceptions that nobody caught: critical if one ended the program, error if a thread, "
    "task or callback, warning if it was ignored, as in a destructor.",
    labels=("type", "severity"),
    limit=1_000,
)

NO_EXCEPTION = "_OTHER"
"""Type of an error that an event loop reports without an exception, as for a lost task."""


def uncaught(error: type | None, severity: str) -> None:
    """An exception of this type was caught by nobody."""
    ERRORS.bind(name_of(error), severity)(1)


def name_of(error: type | None) -> str:
    """`ValueError`, `package.module.Error`."""
    if error is None:
        return NO_EXCEPTION
    module = error.__module__
    return error.__qualname__ if module == "builtins" else f"{module}.{error.__qualname__}"
