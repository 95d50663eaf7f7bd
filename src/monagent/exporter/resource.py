"""Who is measured: the attributes of target_info and of pushed metrics."""

from __future__ import annotations

from typing import Any

from monagent import __version__
from monagent.settings import Settings
from monagent.store.reader import Instrument

TARGET = Instrument(
    "target.info", "gauge", "", "The service, and further facts about it that somebody has set."
)
"""What the endpoint says of the resource, without being asked for it."""
LABELS = ("service.name", "telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version")

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}


def resource_of(settings: Settings, info: dict[str, Any]) -> dict[str, Any]:
    """OTel resource attributes from the settings, and from what the first process told.

    Without a name the service is `unknown_service:<program>`, as the specification has it.
    """
    return {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "monagent",
        "telemetry.sdk.version": __version__,
        **(info.get("resource") or {}),
        **settings.resource_attributes,
        "service.name": service_name(settings, info) or f"unknown_service:{program(info)}",
    }


def service_name(settings: Settings, info: dict[str, Any]) -> str:
    """The service's name where somebody gave it one."""
    given = settings.resource_attributes.get("service.name", "")
    told = (info.get("resource") or {}).get("service.name", "")
    return str(settings.service_name or given or info.get("service_name") or told or "")


def program(info: dict[str, Any]) -> str:
    """What runs, for those who named nothing."""
    return str(info.get("argv0") or "python")


def python_labels(info: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Labels of python_info, those of prometheus_client."""
    version = str(info.get("python", ""))
    major, minor, patch, *_ = [*version.split("."), "", "", ""]
    name = str(info.get("implementation", ""))
    return (
        ("implementation", _IMPLEMENTATIONS.get(name, name)),
        ("major", major),
        ("minor", minor),
        ("patchlevel", patch),
        ("version", version),
    )
