"""`monagent list`: every library that monagent knows, whether it is installed and switched on."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

from monagent import settings
from monagent.instrument import Library, hooks, targets

_VERSIONS = """\
import json, sys
from importlib import metadata
found = {}
for name in json.loads(sys.argv[1]):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def main(arguments: list[str]) -> int:
    """Print one line per library."""
    python = default_python()
    words = list(arguments)
    as_json = "--json" in words
    if as_json:
        words.remove("--json")
    if words[:1] == ["--python"] and len(words) == 2:
        python = words[1]
    elif words:
        print(f"monagent list: found {words[0]!r}, expected --json, --python", file=sys.stderr)
        return 2
    try:
        rows = table(settings.load(os.environ), python)
    except (OSError, ValueError, subprocess.CalledProcessError):
        found = f"found {python}, which does not answer"
        print(f"monagent list: {found}, expected a Python of 3.8 or later", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    columns = ("library", "versions", "installed", "state", "covers")
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in columns]
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        cells = zip(columns, widths, strict=True)
        print("  ".join(f"{row[name]:<{width}}" for name, width in cells).rstrip())
    return 0


def table(found: settings.Settings, python: str) -> list[dict[str, str]]:
    """A row per integration on disk; installed versions are those of the interpreter `python`."""
    known = libraries()
    installed = versions([library.distribution for library in known], python)
    rows = []
    for library in known:
        standard = not library.versions
        version = "standard library" if standard else installed.get(library.distribution, "")
        mode = found.library(library.name)
        if mode == "off":
            state = "off"
        elif not version:
            state = "not installed"
        elif not standard and not library.supports(version):
            state = "version not supported"
        else:
            state = "otel" if mode == "otel" and library.name in targets.adoptions else "on"
        rows.append(
            {
                "library": library.name,
                "versions": library.versions or "any",
                "installed": version,
                "state": state,
                "setting": library.setting,
                "records": ", ".join(library.records),
                "covers": library.covers,
            }
        )
    return rows


def libraries() -> list[Library]:
    """What each integration on disk declares, by name."""
    return [_declared(name) for name in sorted(hooks.on_disk())]


def _declared(name: str) -> Library:
    try:
        library: Library = importlib.import_module(f"monagent.integrations.{name}").LIBRARY
    except Exception as error:  # One that is broken does not hide the others.
        return Library(name, versions="", records=(), covers=f"cannot be loaded: {error!r}")
    return library


def default_python() -> str:
    """The interpreter of the active virtual environment, else our own."""
    active = os.environ.get("VIRTUAL_ENV")
    python = os.path.join(active, "bin", "python") if active else ""
    return python if python and os.access(python, os.X_OK) else sys.executable


def versions(distributions: list[str], python: str) -> dict[str, str]:
    """Installed versions by distribution, asked of that interpreter."""
    environ = {**os.environ, "MONAGENT_ENABLED": "off"}
    asked = subprocess.run(
        [python, "-c", _VERSIONS, json.dumps(distributions)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=True,
        env=environ,
    )
    found: dict[str, str] = json.loads(asked.stdout)
    return found
