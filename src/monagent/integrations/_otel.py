"""OpenTelemetry's HTTP instrumentors as a back end: metrics only, into our meter provider.

Their stable names are chosen by a process-wide switch that is read once. It is set for the moment
in which our own copy of the middleware is built and put back, so an instrumentor that the
application uses itself keeps the names it has.
"""

from __future__ import annotations

from monagent import dependencies, settings
from monagent.conventions import http
from monagent.conventions._exchange import KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from monagent.integrations._asgi_request import Receive, Scope, Send


def fastapi_stack(original: Any) -> Any:
    """A `FastAPI.build_middleware_stack` with OpenTelemetry's middleware around all others."""
    dependencies.open_all()
    from opentelemetry.instrumentation import fastapi as instrumentor
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.instrumentation.fastapi.version import __version__ as version
    from opentelemetry.trace import NoOpTracer
    from opentelemetry.util.http import parse_excluded_urls
    from starlette.middleware.errors import ServerErrorMiddleware

    from monagent.metrics.provider import MeterProvider

    provider = MeterProvider()
    excluded = parse_excluded_urls(",".join(settings.current().excluded_urls))

    def build_middleware_stack(self: Any) -> Any:
        stack = original(self)
        try:
            middleware = with_stable_names(
                lambda: OpenTelemetryMiddleware(
                    stack,
                    excluded_urls=excluded,
                    default_span_details=instrumentor._get_default_span_details,
                    tracer=NoOpTracer(),
                    meter=provider.get_meter("opentelemetry.instrumentation.fastapi", version),
                )
            )
            # The application's own instrumentor expects this class to be outermost.
            return ServerErrorMiddleware(Outermost(stack, middleware))
        except BaseException as error:
            http.failed(error)
            return stack

    return build_middleware_stack


class Outermost:
    """Has the middleware count a request that nobody counts yet, and our own exchange leave it."""

    def __init__(self, stack: Any, middleware: Any) -> None:
        self.app = stack
        self.middleware = middleware

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        try:
            exchange = scope.get(KEY)
            if exchange is None or exchange.active is not None:
                app = self.middleware
            if exchange is not None:
                exchange.disown()
        except BaseException as error:
            http.failed(error)
        await app(scope, receive, send)


def with_stable_names(build: Callable[[], Any]) -> Any:
    """What `build` returns, built while the stable HTTP conventions are in force."""
    from opentelemetry.instrumentation import _semconv

    switch = _semconv._OpenTelemetrySemanticConventionStability
    initialized = switch._initialized
    mapping = switch._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING
    switch._initialized = True
    switch._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING = {
        **mapping,
        _semconv._OpenTelemetryStabilitySignalType.HTTP: _semconv._StabilityMode.HTTP,
    }
    try:
        return build()
    finally:
        switch._initialized = initialized
        switch._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING = mapping
