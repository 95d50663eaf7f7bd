"""Whether an OTLP endpoint that is set is one to push metrics to."""

from __future__ import annotations

from monagent.settings_table import PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from monagent.settings import Settings


def check(settings: Settings) -> None:
    """Forgets the endpoint where it is there for others, and says by which setting."""
    if settings.metrics_exporters and "otlp" not in settings.metrics_exporters:
        by = "metrics_exporters"  # The endpoint of all signals may be there for traces alone.
    elif settings.otlp_protocol != PROTOCOL:
        by = "otlp_protocol"
        _tell_protocol(settings)
    else:
        return
    settings.otlp_endpoint = None
    settings.origins["otlp_endpoint"] = settings.origins[by]


def _tell_protocol(settings: Settings) -> None:
    """In the environment it may be meant for the program's own telemetry, and so is no mistake."""
    if not settings.enabled or settings.exporter == "off":
        return
    name, found = settings.origins["otlp_protocol"], settings.otlp_protocol
    lost = f"nothing is pushed to {settings.origins['otlp_endpoint']}"
    said = f"{name}: found {found!r}, expected {PROTOCOL}, by which alone monagent pushes; {lost}"
    if name in settings.places:
        settings.problems.append(f"{settings.places[name]}: {said}")
    else:
        settings.remarks.append(said)
