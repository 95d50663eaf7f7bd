"""What the demonstration prints: one table per kind of work, each only when the endpoint has it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from monagent.demo.exposition import Histogram, Sample, histograms, totals

REQUESTS = "http_server_request_duration_seconds"
QUERIES = "db_client_operation_duration_seconds"
CALLS = "http_client_request_duration_seconds"
ENQUEUED = "job_enqueued_total"
JOBS = "job_execution_total"
JOB_TIMES = "job_execution_duration_seconds"


def render(samples: Sequence[Sample]) -> Iterator[str]:
    """The tables' lines."""
    yield from _table(
        "HTTP requests", ("method", "route", "requests", "errors", "p50", "p95"), _requests(samples)
    )
    yield from _table(
        "Database queries",
        ("system", "operation", "queries", "errors", "p50", "p95"),
        _by_failure(samples, QUERIES, ("db_system_name", "db_operation_name")),
    )
    yield from _table(
        "Outbound calls",
        ("method", "server", "calls", "errors", "p50", "p95"),
        _by_failure(samples, CALLS, ("http_request_method", "server_address")),
    )
    yield from _table("Jobs", ("job", "status", "jobs", "p50", "p95"), _jobs(samples))


def _requests(samples: Sequence[Sample]) -> Iterator[tuple[str, ...]]:
    by = ("http_request_method", "http_route")
    failed: dict[tuple[str, ...], float] = {}
    statuses = histograms(samples, REQUESTS, (*by, "http_response_status_code", "error_type"))
    for (method, route, status, error), one in statuses.items():
        if status >= "500" or error:
            failed[method, route] = failed.get((method, route), 0.0) + one.count
    for key, one in sorted(histograms(samples, REQUESTS, by).items(), key=lambda row: row[0][::-1]):
        yield *key, f"{one.count:,.0f}", f"{failed.get(key, 0):,.0f}", *_times(one)


def _by_failure(
    samples: Sequence[Sample], name: str, by: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    failed: dict[tuple[str, ...], float] = {}
    for (*key, error), one in histograms(samples, name, (*by, "error_type")).items():
        if error:
            failed[tuple(key)] = failed.get(tuple(key), 0.0) + one.count
    for key_, one in sorted(histograms(samples, name, by).items()):
        yield *key_, f"{one.count:,.0f}", f"{failed.get(key_, 0):,.0f}", *_times(one)


def _jobs(samples: Sequence[Sample]) -> Iterator[tuple[str, ...]]:
    by = ("job_type", "status")
    times = histograms(samples, JOB_TIMES, by)
    for key, count in sorted(totals(samples, JOBS, by).items()):
        if count:
            yield *key, f"{count:,.0f}", *_times(times.get(key, Histogram()))


def _times(one: Histogram) -> tuple[str, str]:
    return _quantile(one, 0.5), _quantile(one, 0.95)


def _quantile(one: Histogram, q: float) -> str:
    """Of what lies below the lowest edge no more is known."""
    value, lowest = one.quantile(q), min(one.buckets, default=0.0)
    return f"< {_seconds(lowest)}" if value <= lowest else _seconds(value)


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    body = list(rows)
    if not body:
        return
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]
    yield ""
    yield title
    for row in [head, *body]:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "   ".join(cells).rstrip()
