"""The settings file that MONAGENT_CONFIG names: variables, one a line.

    # what an operator wrote down
    MONAGENT_SERVICE_NAME=shop
    MONAGENT_PEER_SERVICES=*.payments.example=payments

Quotes around a value are left out; what stands behind it is part of it, a remark too. A variable of
the environment beats the line of the same name.
"""

from __future__ import annotations

import os

from monagent.settings_paths import WEB_CONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "MONAGENT_CONFIG"
PREFIXES = ("MONAGENT_", "OTEL_")
EXPECTED = "expected a setting as MONAGENT_PORT=9464"


class Lines:
    """What a file says.

    Attributes:
        values: the text of each variable.
        places: where each variable stands, as "monagent.conf:3".
        problems: sentences about lines that say nothing.
        lost: such sentences about what may have named the web configuration file.
        folder: where the file lies.
    """

    __slots__ = ("folder", "lost", "places", "problems", "values")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.problems: list[str] = []
        self.lost: list[str] = []
        self.folder = ""


def read(environ: Mapping[str, str]) -> Lines:
    """The lines of the file that the environment names; none without one."""
    lines = Lines()
    path = environ.get(VARIABLE, "").strip()
    if not path:
        return lines
    try:
        with open(path, "rb") as file:
            raw = file.read()
        lines.folder = os.path.dirname(os.path.abspath(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        lines.lost.append(
            f"{VARIABLE}: found {path!r}, which cannot be read ({reason}),"
            " expected a file of settings"
        )
        return lines
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        _take(lines, f"{os.path.basename(path)}:{number}", line.strip())
    return lines


def made_by_kubernetes(name: str, text: str) -> bool:
    """A Kubernetes service called "monagent" sets MONAGENT_PORT=tcp://… in every pod beside it."""
    if "://" in text and name == "MONAGENT_PORT":
        return True
    rest = name.removeprefix("MONAGENT_PORT_")
    return (rest != name and rest[:1].isdigit()) or name.startswith(
        ("MONAGENT_SERVICE_HOST", "MONAGENT_SERVICE_PORT")
    )


def _take(lines: Lines, place: str, raw: bytes) -> None:
    if not raw or raw.startswith(b"#"):
        return
    try:
        line = raw.decode()
    except UnicodeDecodeError as error:
        found = f"the byte 0x{raw[error.start]:02x}, which is not UTF-8"
        _lose(lines, f"{place}: found {found}, {EXPECTED}", raw)
        return
    name, sign, text = line.partition("=")
    name, text = name.strip(), text.strip()
    if not sign or not name.startswith(PREFIXES) or name == VARIABLE:
        _lose(lines, f"{place}: found {_beginning(line)!r}, {EXPECTED}", raw)
        return
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    lines.values[name] = text
    lines.places[name] = place


def _lose(lines: Lines, sentence: str, raw: bytes) -> None:
    (lines.lost if WEB_CONFIG.encode() in raw else lines.problems).append(sentence)


def _beginning(line: str) -> str:
    """A line as it may be shown: what it says of a name may be a secret."""
    ends = [at for sign in "=:" if (at := line.find(sign)) >= 0]
    return line[: min(ends) + 1] + "…" if ends else line
