"""What a `monagent run` within a running tree asks for in vain: the exporter that it finds there
goes on as it was begun."""

from __future__ import annotations

import os

from monagent import guard, settings, settings_file, tree
from monagent.store import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from monagent.settings import Setting, Settings

EXPORTERS = frozenset(
    ["host", "port", "path", "mount", "web_config", "pushgateway", "textfile", "exporter"]
    + ["metrics_exporters"]
    + [one.attribute for one in settings.TABLE if one.attribute.startswith("otlp_")]
)
"""Settings that a tree's exporter heeds and no program; it has them from whoever began it."""

SERVICE = ("service_name", "resource_attributes")
"""What it has from the first process that records, where whoever began it has said nothing."""


def tell(directory: str, environ: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Name what has no effect in the tree of this directory, of the options that are `given` in
    this environment and of the lines of a file that one of them names."""
    # Where that is not told (another user's), what was handed on by an outer run.
    begun = settings.load(process.environ(tree.exporter_pid(directory)) or os.environ)
    wanted = settings.load(environ)
    named = {
        name: None
        for one in settings.TABLE
        if (name := _asked(one, wanted, given))
        and getattr(begun, one.attribute) != getattr(wanted, one.attribute)
        and (one.attribute in EXPORTERS or _is_settled(one.attribute, begun, directory))
    }
    if named:
        guard.say(
            f"{', '.join(named)}: without effect here, since the exporter of the tree that is"
            " running goes on as it was begun"
        )


def _asked(one: Setting, wanted: Settings, given: Mapping[str, str]) -> str | None:
    """How the setting was asked for; None where the surroundings have it."""
    if one.name in given:
        return one.option
    origin = wanted.origins[one.attribute]
    if settings_file.VARIABLE in given and origin in wanted.places:
        return f"{origin} ({wanted.places[origin]})"
    return None


def _is_settled(attribute: str, begun: Settings, directory: str) -> bool:
    """Whether this is said of the service, and somebody before us has said it."""
    if attribute not in SERVICE:
        return False
    said = attribute == "service_name" and begun.service_name
    return bool(said) or tree.somebody_recorded(directory)
