"""The peers that an application must be changed for; BENCH_PEER names the one to put in, if any."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

PEER = os.environ.get("BENCH_PEER", "")
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


def instrument(app: FastAPI) -> None:
    """Adds the peer to a FastAPI application as its manual says."""
    if PEER == "instrumentator":
        from prometheus_fastapi_instrumentator import Instrumentator

        Instrumentator().instrument(app).expose(app)
    elif PEER == "starlette_exporter":
        from starlette_exporter import PrometheusMiddleware, handle_metrics

        app.add_middleware(PrometheusMiddleware)
        app.add_route("/metrics", handle_metrics)
    elif PEER == "prometheus_client":
        app.add_middleware(AsgiMetrics)


def wrap(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wraps a WSGI application in the least that records the same with prometheus_client."""
    if PEER != "prometheus_client":
        return app
    duration, active = _metrics()

    def measured(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = ["500"]

        def start(line: str, headers: Any, exc_info: Any = None) -> Any:
            status[0] = line[:3]
            return start_response(line, headers, exc_info)

        method = environ["REQUEST_METHOD"]
        running = active.labels(method, "http")
        running.inc()
        begun = time.perf_counter()
        try:
            return app(environ, start)
        finally:
            running.dec()
            duration.labels(method, "http", environ["PATH_INFO"], status[0]).observe(
                time.perf_counter() - begun
            )

    return measured


class AsgiMetrics:
    """The least that records the same with prometheus_client: a duration and what is active."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.duration, self.active = _metrics()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = "500"

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        running = self.active.labels(scope["method"], scope["scheme"])
        running.inc()
        begun = time.perf_counter()
        try:
            await self.app(scope, receive, sending)
        finally:
            running.dec()
            route = getattr(scope.get("route"), "path", "")
            self.duration.labels(scope["method"], scope["scheme"], route, status).observe(
                time.perf_counter() - begun
            )


def _metrics() -> tuple[Any, Any]:
    from prometheus_client import Gauge, Histogram

    return (
        Histogram("request_duration_seconds", "Time.", ("method", "scheme", "route", "status")),
        Gauge("requests_active", "Now.", ("method", "scheme"), multiprocess_mode="livesum"),
    )
