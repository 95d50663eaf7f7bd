"""Recording: declared metrics over the store, and (in `provider`) the OpenTelemetry metrics API
over the same cells."""

from __future__ import annotations

from monagent.metrics.declared import (
    Counter,
    Gauge,
    Histogram,
    Metric,
    Recording,
    UpDownCounter,
    cache,
    declared,
    recording,
    use,
)
from monagent.metrics.pulse import due, pulse

__all__ = [
    "Counter",
    "Gauge",
    "Histogram",
    "Metric",
    "Recording",
    "UpDownCounter",
    "cache",
    "declared",
    "due",
    "pulse",
    "recording",
    "use",
]
