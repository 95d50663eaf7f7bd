"""Attributes as applications pass them: made clean as opentelemetry-sdk 1.45 does, and looked up
fast when the same ones come again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

_SCALARS = (str, bool, int, float, bytes)
_PLAIN = frozenset({*_SCALARS, type(None)})


def clean(value: Any) -> Any:
    """`value` as an attribute value: sequences become tuples, mappings dicts with text for keys,
    anything unknown its text, or None where it has none."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Sequence):
        return tuple([clean(item) for item in value])
    if isinstance(value, Mapping):
        return clean_mapping(value)
    return str(value) if _has_text(value) else None


def clean_mapping(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """The attributes whose key says something, cleaned."""
    made: dict[str, Any] = {}
    for key, value in attributes.items():
        if not key:
            continue
        if not isinstance(key, str):
            if not _has_text(key):
                continue
            key = str(key)
        made[key] = clean(value)
    return made


def _has_text(value: object) -> bool:
    kind = type(value)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__


def lookup(attributes: Mapping[str, Any]) -> Hashable:
    """A key that is equal only for what `clean` makes the same series of: names, values, and their
    types, for True == 1 == 1.0.

    Cheap, for every measurement; of sequences and mappings it does not know what is inside, so only
    `plain` attributes may be kept under it.
    """
    return (*attributes, *attributes.values(), *map(type, attributes.values()))


def plain(attributes: Mapping[Any, Any]) -> bool:
    """Whether these have simple values only, of which `lookup` tells all (and no NaN, which is
    never found again)."""
    return all(type(key) is str for key in attributes) and all(
        type(value) in _PLAIN and value == value for value in attributes.values()
    )
