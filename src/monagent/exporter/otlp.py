"""Pushing over OTLP with the SDK's own exporter, which reads its settings from the environment.

Everything of OpenTelemetry is imported here, in the exporter's process, and only when asked for.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, cast

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExportResult

from monagent.exporter.delivery import TAKEN, Failed, Outcome
from monagent.exporter.engine import Total
from monagent.exporter.otel import metrics_data
from monagent.settings import Settings

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

# Who names a provider of credentials has the SDK make the session, whose answers we then miss.
PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER",
)
REMARK = 200
"""Letters of a receiver's own words that we repeat."""


class Unseen(requests.Session):
    """Within a program its calls are none of the program's: past wrappers, which count them."""

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Sends."""
        sending: Any = requests.Session.send
        while hasattr(sending, "__wrapped__"):
            sending = sending.__wrapped__
        return cast("Response", sending(self, request, **kwargs))


class Otlp:
    """An OTLP receiver; one `send` is one request, which the SDK repeats until its timeout where
    the specification allows it: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response."""

    name = "otlp"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told = _Told()
        self._answer: Response | None = None
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._told)
        logger.propagate = False
        self._exporter = OTLPMetricExporter(
            timeout=settings.otlp_timeout / 1000, session=self._session()
        )

    def _session(self) -> requests.Session | None:
        if any(os.environ.get(name) for name in PROVIDERS):
            return None
        session = Unseen()
        session.hooks["response"].append(self._answered)
        return session

    def _answered(self, answer: Response, **_: Any) -> None:
        self._answer = answer

    def send(self, total: Total, text: bytes) -> Outcome:  # noqa: ARG002 - the data alone
        """Pushes the numbers; raises Failed, and for good after an answer: what it allows to
        repeat was repeated."""
        if self._settings.otlp_protocol != "http/protobuf":
            raise Failed(
                f"OTEL_EXPORTER_OTLP_PROTOCOL: found {self._settings.otlp_protocol!r},"
                " expected 'http/protobuf'",
                final=True,
            )
        url = self._settings.otlp_endpoint
        self._told.last, self._answer = "", None
        data = metrics_data(total.table.targets, total.cells, total.resource, total.start)
        taken = self._exporter.export(data) is MetricExportResult.SUCCESS
        answer = self._answer
        if not taken:
            raise Failed(f"{url}: {self._told.last or 'not taken'}", final=answer is not None)
        if answer is None:
            return TAKEN
        if not 200 <= answer.status_code < 300:
            # A redirect, which the SDK neither follows nor takes for a failure.
            place = answer.headers.get("location", "another place")
            raise Failed(f"{url}: {answer.status_code}, it points to {place}", final=True)
        return _partial(f"{url}", answer.content)


def _partial(url: str, body: bytes) -> Outcome:
    """What the receiver says in its answer: it may have taken a part, and then it is not to be
    repeated, or warn of what it took."""
    try:
        found = ExportMetricsServiceResponse.FromString(body).partial_success
    except DecodeError:  # An answer in JSON, or a page.
        return TAKEN
    words = found.error_message[:REMARK]
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    if found.rejected_data_points > 0:
        why = f": {words}" if words else ""
        return Outcome(None, found.rejected_data_points, f"{url} leaves out data points{why}")
    return Outcome(None, 0, f"{url} says: {words}" if words else "")


class _Told(logging.Handler):
    """Keeps what the SDK says about a failure, so that we can say it in our line."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())
