"""Attributes in the store: how JSON carries the values it has no form for, and which sets of
attributes are the same series.

Values are what OpenTelemetry allows: None, bool, int, float, str, bytes, tuples and dicts of these.
"""

from __future__ import annotations

import binascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Any


def to_json(value: object) -> object:
    """`value` in a form that JSON has: bytes and mappings become an object of one member that says
    which it is.  Raises TypeError for what is no attribute value."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, bytes):
        return {"bytes": binascii.b2a_base64(value, newline=False).decode()}
    if isinstance(value, dict):
        return {"mapping": {key: to_json(item) for key, item in value.items()}}
    raise TypeError(f"found a {type(value).__name__}, expected an attribute value")


def from_json(value: Any) -> Any:
    """What `to_json` made that of.  Raises ValueError for anything else."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "bytes":
        return binascii.a2b_base64(content)
    if kind == "mapping":
        return {key: from_json(item) for key, item in content.items()}
    raise ValueError(f"found {kind!r}, expected bytes or mapping")


def all_to_json(attributes: Mapping[str, object]) -> dict[str, object]:
    """A series' attributes as its record carries them."""
    return {key: to_json(value) for key, value in attributes.items()}


def all_from_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A series' attributes as its record's reader wants them."""
    return {key: from_json(value) for key, value in attributes.items()}


def identity(value: object) -> Hashable:
    """Equal for equal attribute values only: what Python takes for equal and OpenTelemetry does not
    (True, 1 and 1.0; a tuple of pairs and a dict) differs, and the order of keys does not count.

    These are the rules of opentelemetry-sdk 1.45 (`_hash_attributes`).
    """
    if isinstance(value, (tuple, list)):
        return ("sequence", tuple([identity(item) for item in value]))
    if isinstance(value, dict):
        return ("mapping", tuple([(key, identity(value[key])) for key in sorted(value)]))
    return (type(value).__name__, value)
