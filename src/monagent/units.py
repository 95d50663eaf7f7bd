"""Units in Prometheus form, as opentelemetry-exporter-prometheus maps them: see exporter.naming."""

from __future__ import annotations

import re

_NOT_NAME = re.compile(r"[^a-zA-Z0-9:]+")
_ANNOTATION = re.compile(r"{.*}")

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}


def unit(text: str) -> str:
    """A unit of UCUM as Prometheus spells it: `By/s` is bytes_per_second, `{request}` is none."""
    text = _ANNOTATION.sub("", text)
    if text in _UNITS:
        return _UNITS[text]
    above, slash, below = text.partition("/")
    below = _NOT_NAME.sub("_", below)
    if slash and below:
        above = _NOT_NAME.sub("_", above)
        above = _UNITS.get(above, above)
        below = _PER.get(below, below)
        return f"{above}_per_{below}" if above else f"per_{below}"
    return _NOT_NAME.sub("_", text).strip("_")
