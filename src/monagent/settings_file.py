"""The settings file that MONAGENT_CONFIG names: variables, one a line, as in an env file.

    # what an operator wrote down
    MONAGENT_SERVICE_NAME=shop
    MONAGENT_PEER_SERVICES=*.payments.example=payments

A variable of the environment beats the line of the same name.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "MONAGENT_CONFIG"
PREFIXES = ("MONAGENT_", "OTEL_")


class Lines:
    """What a file says.

    Attributes:
        values: the text of each variable.
        places: where each variable stands, as "monagent.conf:3".
        problems: sentences about lines that say nothing.
    """

    __slots__ = ("places", "problems", "values")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.problems: list[str] = []


def read(environ: Mapping[str, str]) -> Lines:
    """The lines of the file that the environment names; none without one.

    A file that cannot be read is left to the setting itself, which then says so.
    """
    lines = Lines()
    path = environ.get(VARIABLE, "").strip()
    if not path:
        return lines
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return lines
    for number, line in enumerate(text.splitlines(), 1):
        _take(lines, f"{os.path.basename(path)}:{number}", line.strip())
    return lines


def _take(lines: Lines, place: str, line: str) -> None:
    if not line or line.startswith("#"):
        return
    name, sign, text = line.partition("=")
    name, text = name.strip(), text.strip()
    if not sign or not name.startswith(PREFIXES) or name == VARIABLE:
        found = _beginning(line)
        lines.problems.append(f"{place}: found {found!r}, expected a setting as MONAGENT_PORT=9464")
        return
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    lines.values[name] = text
    lines.places[name] = place


def _beginning(line: str) -> str:
    """A line as it may be shown: what it says of a name may be a secret."""
    ends = [at for sign in "=:" if (at := line.find(sign)) >= 0]
    return line[: min(ends) + 1] + "…" if ends else line
