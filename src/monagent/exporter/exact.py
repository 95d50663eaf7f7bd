"""Sums of floats that do not depend on the order of adding.

0.1 + 0.2 + 0.3 depends on who is added first, so moving a dead process's number into the retained
total could make a
counter fall by its last bit, which Prometheus takes for a restart.  A sum is therefore kept as a
few floats that add up to
it without error (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997; `math.fsum` does
the same inside).
"""

from __future__ import annotations

import math


def add(parts: list[float], value: float) -> None:
    """Adds `value` to the sum that `parts` stand for, in place and without rounding."""
    if not math.isfinite(value) or (parts and not math.isfinite(parts[0])):
        parts[:] = [sum(parts) + value]
        return
    kept = 0
    for part in parts:
        if abs(value) < abs(part):
            value, part = part, value
        high = value + part
        low = part - (high - value)
        if low:
            parts[kept] = low
            kept += 1
        value = high
    # Beyond the largest float what was lost on the way is no number.
    parts[kept if math.isfinite(value) else 0 :] = [value]


def total(parts: list[float]) -> float:
    """The float nearest to the sum."""
    if len(parts) == 1:
        return parts[0]
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):  # inf - inf, or beyond the largest float
        return sum(parts)
