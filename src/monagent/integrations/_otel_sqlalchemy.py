"""OpenTelemetry's SQLAlchemy instrumentor as a back end: its pool metric, into our meter provider.

It records `db.client.connections.usage` and nothing else; its listeners for spans are left out,
since two sets of them, ours and the application's own, would overwrite each other's spans.
"""

from __future__ import annotations

from monagent import dependencies, guard
from monagent.instrument import Unsupported
from monagent.instrument.identity import with_parameters_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPANS = frozenset(("before_cursor_execute", "after_cursor_execute", "handle_error"))


def engine(original: Any) -> Any:
    """An `Engine.__init__` that hands every engine to OpenTelemetry's `EngineTracer`."""
    dependencies.open_all()
    from opentelemetry.instrumentation.dependencies import get_dependency_conflicts
    from opentelemetry.instrumentation.sqlalchemy.package import _instruments

    conflict = get_dependency_conflicts(_instruments)
    if conflict is not None:
        raise Unsupported(f"opentelemetry-instrumentation-sqlalchemy declines: {conflict}")

    tracers: list[Any] = []

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            if not tracers:
                tracers.append(_tracer())
            tracers[0](self)
        except BaseException as error:
            guard.failed("sqlalchemy", error)

    return with_parameters_of(original, __init__)  # as in `sqlalchemy`


def _tracer() -> Any:
    """A class like `EngineTracer` that listens for pool events only."""
    from opentelemetry.instrumentation.sqlalchemy import engine, version
    from opentelemetry.semconv.metrics import MetricInstruments
    from opentelemetry.trace import NoOpTracer

    from monagent.metrics.provider import MeterProvider

    meter = MeterProvider().get_meter(
        "opentelemetry.instrumentation.sqlalchemy", version.__version__
    )
    usage = meter.create_up_down_counter(
        MetricInstruments.DB_CLIENT_CONNECTIONS_USAGE,
        unit="connections",
        description="The number of connections that are currently in the state described by the"
        " state attribute.",
    )

    register: Any = vars(engine.EngineTracer)["_register_event_listener"].__func__

    class PoolTracer(engine.EngineTracer):
        # Its own list: what the application un-instruments is the application's.
        _remove_event_listener_params: list[Any] = []

        @classmethod
        def _register_event_listener(
            cls, target: Any, identifier: str, *rest: Any, **named: Any
        ) -> None:
            if identifier not in SPANS:
                register(cls, target, identifier, *rest, **named)

    tracer: Any = PoolTracer
    return lambda made: tracer(NoOpTracer(), made, usage)
