"""OpenTelemetry's FastAPI instrumentor as a back end, and ours held against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from monagent import metrics
from monagent.conventions.http import UNMATCHED
from monagent.instrument import hooks, status
from monagent.store.shard import Shard
from tests.http.asgi import body_of, run
from tests.http.numbers import Numbers

REQUESTS = [
    *[("/", "GET")] * 3,
    *[("/v1/items/1", "GET"), ("/v1/items/2", "GET"), ("/v1/items/x", "GET")],
    *[("/v1/items/1", "DELETE"), ("/", "BREW"), ("/nothing", "GET"), ("/fail", "GET")],
    *[("/mounted/inner", "GET"), ("/openapi.json", "GET"), ("/", "HEAD")],
]


def application() -> FastAPI:
    """Routes with and without prefix, a mount, an error."""
    app, inner, router = FastAPI(), FastAPI(), APIRouter(prefix="/items")

    @app.get("/")
    async def root() -> str:
        return "root"

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError

    @router.get("/{item}")
    async def item(item: int) -> int:
        return item

    @inner.get("/inner")
    async def deep() -> str:
        return "deep"

    app.include_router(router, prefix="/v1")
    app.mount("/mounted", inner)
    return app


def recorded(folder: Path, mode: str, app: Any = None) -> dict[tuple[str, str, int], int]:
    """Counts by method, route and status of the same requests, and checks of what both share."""
    folder.mkdir(mode=0o700)
    metrics.use(metrics.Recording(Shard(str(folder))))
    hooks.modes.append(
        lambda name: mode if name == "fastapi" else "on" if name == "starlette" else "off"
    )
    hooks.install()
    try:
        serving = app() if app else application()
        answers: list[Any] = []
        for path, method in REQUESTS:
            try:
                answers.append(body_of(run(serving, path, method)))
            except ValueError as error:
                answers.append(type(error))
        state = status.known["fastapi"].state
    finally:
        hooks.uninstall()
        hooks.modes.clear()
    numbers = Numbers(str(folder))
    metrics.use(metrics.Recording())
    assert state == (status.ADOPTED if mode == "otel" else status.ACTIVE)
    assert answers[:2] == [b'"root"', b'"root"']
    assert numbers.total("http.server.active_requests") == 0
    found: dict[tuple[str, str, int], int] = {}
    for key, cells in numbers.series("http.server.request.duration").items():
        facts = dict(key)
        route = str(facts.get("http.route", UNMATCHED))
        label = (facts["http.request.method"], route, int(facts["http.response.status_code"]))
        found[label] = found.get(label, 0) + int(sum(cells[1:]))
    return found


def test_both_back_ends_count_the_same(tmp_path: Path) -> None:
    """Counts, routes and statuses; only a mounted application is told deeper by ours."""
    ours = recorded(tmp_path / "ours", "on")
    theirs = recorded(tmp_path / "theirs", "otel")
    ours[("GET", "/mounted", 200)] = ours.pop(("GET", "/mounted/inner", 200))

    assert ours == theirs
    assert sum(ours.values()) == len(REQUESTS)


def test_the_applications_own_instrumentor_keeps_its_names(tmp_path: Path) -> None:
    """It records old names into the application's provider, whatever ours does beside it."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])

    def instrumented() -> FastAPI:
        app = application()
        FastAPIInstrumentor.instrument_app(app, meter_provider=provider)
        return app

    counted = recorded(tmp_path / "both", "otel", instrumented)
    data = reader.get_metrics_data()
    provider.shutdown()
    named = [
        metric
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name.endswith("duration")
    ]
    points: list[Any] = list(named[0].data.data_points)

    assert sum(counted.values()) == len(REQUESTS)
    assert [metric.name for metric in named] == ["http.server.duration"]
    assert sum(point.count for point in points) == len(REQUESTS)


@pytest.mark.parametrize("mode", ["on", "otel"])
def test_no_global_provider_is_set_or_read(tmp_path: Path, mode: str) -> None:
    """The application's own telemetry starts from what it always started from."""
    from opentelemetry import metrics as api
    from opentelemetry import trace

    before = (type(api.get_meter_provider()), type(trace.get_tracer_provider()))
    recorded(tmp_path / "state", mode)

    assert (type(api.get_meter_provider()), type(trace.get_tracer_provider())) == before
