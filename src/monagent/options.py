"""The options of `monagent run`, taken from the settings table without argparse (10 ms).

They mean the same as the variables and are handed to the command's children as such.
"""

from __future__ import annotations

from monagent import settings
from monagent.settings_kinds import expected
from monagent.settings_paths import FILE


class Wrong(Exception):
    """The command line cannot be understood; the message says what was found and expected."""


def known() -> dict[str, settings.Setting]:
    """Option to setting: `--service-name` to the one of MONAGENT_SERVICE_NAME."""
    return {setting.option: setting for setting in settings.TABLE if setting.option}


def split(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Variables that the options stand for, and the command behind them.

    The command begins at the first word that is no option, or behind `--`. Switches
    (`--strict`, `--supervise`) take no value unless written `--strict=off`.
    """
    table = known()
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        setting = table.get(name)
        if setting is None:
            from monagent.settings_names import nearest  # Only who errs pays for it.

            meant = nearest(name, list(table))
            hint = f"; did you mean {meant}?" if meant else ", see monagent run --help"
            raise Wrong(f"found the option {name}, expected a known one{hint}")
        if not equals:
            if setting.kind is settings.SWITCH:
                value = "on"
            elif not rest or rest[0].startswith("--"):
                raise Wrong(f"{name}: found no value, expected {setting.kind.expected}")
            else:
                value = rest.pop(0)
        _check(name, setting, value)
        given[setting.name] = value
    return given, rest


def _check(name: str, setting: settings.Setting, value: str) -> None:
    """A wrong option stops the start: whoever typed it is looking at the terminal."""
    kind = FILE if setting.attribute == "config" else setting.kind
    try:
        kind.parse(value)
    except ValueError as error:
        wanted = expected(kind, error)
        raise Wrong(f"{name}: found {kind.found(value)}, expected {wanted}") from None
