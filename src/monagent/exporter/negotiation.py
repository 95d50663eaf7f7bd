"""Which format and encoding a client wants, from its Accept headers (RFC 9110, 12.5)."""

from __future__ import annotations

from monagent.exporter.exposition import OPENMETRICS, TEXT


def format_of(accept: str) -> str:
    """The content type to answer with: OpenMetrics where it is liked better, else plain text."""
    return OPENMETRICS if _liking(accept, OPENMETRICS) > _liking(accept, TEXT) else TEXT


def _liking(accept: str, offered: str) -> float:
    kind, *_ = offered.split(";")
    versions = ("1.0.0", "0.0.1") if offered == OPENMETRICS else ("0.0.4",)
    best = (-1, 0.0)
    for wanted, parameters in _parsed(accept):
        if "version" in parameters and parameters["version"] not in versions:
            continue
        # The more precise range speaks for the type, whatever its weight.
        precision = {kind: 2, kind.split("/")[0] + "/*": 1, "*/*": 0}.get(wanted, -1)
        if precision >= 0:
            best = max(best, (precision, _weight(parameters)))
    return best[1]


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip."""
    weights = {coding: _weight(p) for coding, p in _parsed(accept_encoding)}
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _parsed(header: str) -> list[tuple[str, dict[str, str]]]:
    parsed = []
    for item in header.lower().split(","):
        name, *pairs = item.split(";")
        parameters = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            parameters[key.strip()] = value.strip().strip('"')
        if name.strip():
            parsed.append((name.strip(), parameters))
    return parsed


def _weight(parameters: dict[str, str]) -> float:
    try:
        return min(1.0, max(0.0, float(parameters.get("q", "1"))))
    except ValueError:
        return 0.0
