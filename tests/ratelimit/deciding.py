"""What was decided, in the short form that tests compare."""

from __future__ import annotations

from tests.http_client.numbers import Numbers

Decisions = dict[tuple[str | None, str, str], int]


def decisions(numbers: Numbers) -> Decisions:
    """How often each limiter decided what on which route, without zeros."""
    found = numbers.values("rate_limit.requests", "http.route", "limiter", "decision")
    return {(route, limiter, decision): int(n) for (route, limiter, decision), n in found.items()}


def violations(numbers: Numbers) -> dict[str | None, int]:
    """Refusals by route, without zeros."""
    found = numbers.values("rate_limit.violations", "http.route")
    return {route: int(count) for (route,), count in found.items()}


def near(numbers: Numbers) -> dict[str | None, int]:
    """Clients close to their limit by route, zeros included."""
    return {
        attributes.get("http.route"): int(cells[0])
        for attributes, cells in numbers.series("rate_limit.near_limit")
    }
