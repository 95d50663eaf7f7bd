"""Pushing over OTLP with the SDK's own exporter, which reads its settings from the environment.

Everything of OpenTelemetry is imported here, in the exporter's process, and only when asked for.
"""

from __future__ import annotations

import logging

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExportResult

from monagent.exporter.delivery import Failed
from monagent.exporter.engine import Total
from monagent.exporter.otel import metrics_data
from monagent.settings import Settings


class Otlp:
    """An OTLP receiver; one `send` is one request, which the SDK repeats until its timeout."""

    name = "otlp"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told = _Told()
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._told)
        logger.propagate = False
        self._exporter = OTLPMetricExporter(timeout=settings.otlp_timeout / 1000)

    def send(self, total: Total, text: bytes) -> None:  # noqa: ARG002 - the data alone
        """Pushes the numbers; raises Failed."""
        if self._settings.otlp_protocol != "http/protobuf":
            raise Failed(
                f"OTEL_EXPORTER_OTLP_PROTOCOL: found {self._settings.otlp_protocol!r},"
                " expected 'http/protobuf'",
                final=True,
            )
        self._told.last = ""
        data = metrics_data(total.table.targets, total.cells, total.resource, total.start)
        if self._exporter.export(data) is not MetricExportResult.SUCCESS:
            raise Failed(f"{self._settings.otlp_endpoint}: {self._told.last or 'not taken'}")


class _Told(logging.Handler):
    """Keeps what the SDK says about a failure, so that we can say it in our line."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())
