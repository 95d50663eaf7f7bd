"""JSON text without the module `json`.

Series are made in any thread, and one of them may fork in the middle: a child in which another
thread was just importing a module waits for ever when it imports that too.  So what makes series
imports nothing.
"""

from __future__ import annotations

try:
    from _json import encode_basestring_ascii as quoted
except ImportError:  # Not CPython.
    from json.encoder import py_encode_basestring_ascii as quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def encode(value: Mapping[str, object]) -> bytes:
    """`value` as a descriptor's payload."""
    return text(value).encode()


def text(value: object) -> str:
    """What `json.dumps` makes of it, less the spaces.  Raises TypeError for what JSON has not."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        told = float.__repr__(value)
        return _NAMED.get(told, told)
    if isinstance(value, (list, tuple)):
        return f"[{','.join([text(item) for item in value])}]"
    if isinstance(value, dict):
        members = [f"{quoted(key)}:{text(item)}" for key, item in value.items()]
        return f"{{{','.join(members)}}}"
    raise TypeError(f"found a {type(value).__name__}, expected what JSON has")
