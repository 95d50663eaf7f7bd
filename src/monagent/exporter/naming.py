"""Names, units and labels in Prometheus form, as opentelemetry-exporter-prometheus maps them.

The rules are those of its `_mapping.py` (0.66b1, Apache-2.0), which follows
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics; a differential
test holds every name against that package.

What was counted by prometheus_client has a name and labels that are Prometheus' already, and keeps
them: of any other character each becomes an underscore, as in the library's own text.
"""

from __future__ import annotations

import json
import re
from typing import Any

_NOT_NAME = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9]+")
_NOT_NAME_THERE = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_LABEL_THERE = re.compile(r"[^a-zA-Z0-9_]")

PROMETHEUS = "prometheus_client"
"""The scope of what has names of Prometheus' own; `scope` is the name of a metric's."""


def metric(name: str, scope: str = "") -> str:
    """A metric's name without unit and suffix."""
    return (_NOT_NAME_THERE if scope == PROMETHEUS else _NOT_NAME).sub("_", _led(name))


def label(key: str, scope: str = "") -> str:
    """A label's name; empty when nothing is left of it."""
    return (_NOT_LABEL_THERE if scope == PROMETHEUS else _NOT_LABEL).sub("_", _led(key))


def _led(name: str) -> str:
    return "_" + name[1:] if name and name[0].isdigit() else name


def family(name: str, kind: str, unit_name: str, scope: str = "") -> str:
    """The name of the metric family; of a counter without `_total`, as OpenMetrics has it."""
    name = metric(name, scope)
    if kind == "counter" and scope != PROMETHEUS:  # That library took it off.
        name = name.removesuffix("_total")
    if unit_name and not name.endswith("_" + unit_name):
        name += "_" + unit_name
    return name


def value(attribute: Any) -> str:
    """A label's value: text as it is, everything else as JSON."""
    return attribute if isinstance(attribute, str) else json.dumps(attribute, default=str)


def escaped(text: str) -> str:
    """A label's value between its quotation marks."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def labels(attributes: dict[str, Any], reserved: str = "", scope: str = "") -> str:
    """All labels as text, sorted, without empty ones and without the `reserved` one.

    Where two keys become one label the later one wins, as in the package above.  A reserved one
    that prometheus_client allows (of a summary) is named as Prometheus names clashing ones.
    """
    named = {label(key, scope): value(attribute) for key, attribute in attributes.items()}
    if scope == PROMETHEUS and reserved in named:
        named[f"exported_{reserved}"] = named.pop(reserved)
    return ",".join(
        f'{key}="{escaped(text)}"'
        for key, text in sorted(named.items())
        if key and text and key != reserved
    )


def edge(bound: float, scope: str = "") -> str:
    """A bucket's `le`; prometheus_client writes it as Go does, which turns to exponents sooner."""
    text = number(float(bound))
    dot = text.find(".")
    if scope != PROMETHEUS or bound <= 0 or dot <= 6:
        return text
    mantissa = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{dot - 1:02d}"


def number(value: float) -> str:
    """A sample's value."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
