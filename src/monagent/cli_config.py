"""`monagent config`: the settings in force, and where each one comes from."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from monagent import options, settings
from monagent.settings_kinds import HEADERS, RECEIVER, URL, without_password


def main(arguments: list[str]) -> int:
    """Print every setting; exit code 1 when one of them is wrong."""
    if arguments == ["--markdown"]:
        print(markdown())
        return 0
    as_json = "--json" in arguments
    try:
        given, rest = options.split([word for word in arguments if word != "--json"])
        if rest:
            raise options.Wrong(f"found {rest[0]!r}, expected options of `monagent run` or --json")
    except options.Wrong as error:
        print(f"monagent config: {error}", file=sys.stderr)
        return 2
    found = settings.load({**os.environ, **given})
    settings.lines(found)
    rows = effective(found, set(given))
    if as_json:
        told = {"settings": rows, "problems": found.problems, "remarks": found.remarks}
        print(json.dumps(told, indent=2))
    else:
        width = max(len(str(row["name"])) for row in rows)
        for row in rows:
            print(f"{row['name']:<{width}}  {shown(row['value'])}  ({row['origin']})")
        for problem in found.problems:
            print(f"wrong: {problem}")
        for remark in found.remarks:
            print(f"look at: {remark}")
    return 1 if found.problems else 0


def effective(found: settings.Settings, given: set[str]) -> list[dict[str, object]]:
    """One row per setting: name, value, and the variable, line, option or default it comes from."""
    rows: list[dict[str, object]] = []
    for setting in settings.TABLE:
        origin = found.origins[setting.attribute]
        origin = found.places.get(origin, origin)
        if origin in given and setting.option:
            origin = setting.option
        value = _without_secrets(setting, getattr(found, setting.attribute))
        rows.append({"name": setting.name, "value": value, "origin": origin})
    for library, mode in sorted(found.modes.items()):
        name = found.origins["library." + library]
        rows.append({"name": name, "value": mode, "origin": found.places.get(name, name)})
    for metric, edges in sorted(found.edges.items()):
        name = found.origins["buckets." + metric.lower()]
        rows.append({"name": name, "value": edges, "origin": found.places.get(name, name)})
    return rows


def _without_secrets(setting: settings.Setting, value: Any) -> object:
    if value and setting.kind is HEADERS:
        return dict.fromkeys(value, "…")
    return without_password(value) if value and setting.kind in (URL, RECEIVER) else value


def shown(value: object) -> str:
    """A value as one would write it in a variable."""
    if value is None or value in ((), {}):
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ",".join(f"{key}={text}" for key, text in value.items())
    if isinstance(value, tuple):
        return ",".join("=".join(v) if isinstance(v, tuple) else str(v) for v in value)
    return str(value)


def markdown() -> str:
    """All settings as a table for the README."""
    lines = ["| variable | option | default | meaning |", "|---|---|---|---|"]
    for setting in settings.TABLE:
        twins = "".join(f", `{name}`" for name, _ in setting.twins)
        option = f"`{setting.option}`" if setting.option else ""
        default = "" if shown(setting.default) == "-" else f"`{shown(setting.default)}`"
        lines.append(f"| `{setting.name}`{twins} | {option} | {default} | {setting.sentence} |")
    mode = "`on` or `off` for one library; fastapi and sqlalchemy also take `otel`"
    lines.append(f"| `MONAGENT_<LIBRARY>` | | `on` | {mode}. |")
    lines.append("| `MONAGENT_BUCKETS_<METRIC>` | | | Upper edges of a histogram's buckets. |")
    return "\n".join(lines)


def options_help() -> str:
    """The options of `monagent run`, from the settings table."""
    lines = [
        "usage: monagent run [options] [--] COMMAND …",
        "",
        "Runs the command unchanged; every Python process in it records metrics, and one endpoint",
        "serves the total. Options, and the variables that mean the same:",
        "",
    ]
    for option, setting in options.known().items():
        value = "" if setting.kind is settings.SWITCH else " VALUE"
        lines.append(f"  {option}{value}  ({setting.name})")
        lines.append(f"      {setting.sentence}")
        lines.append(f"      Expected: {setting.kind.expected}; default: {shown(setting.default)}.")
    return "\n".join(lines)
