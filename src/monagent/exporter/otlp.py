"""Pushing over OTLP with the SDK's own exporter, told what our settings hold.

Everything of OpenTelemetry is imported here, in the exporter's process, and only when asked for.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, cast

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.util.re import parse_env_headers
from requests.exceptions import InvalidHeader

from monagent.exporter.delivery import OTLP, TAKEN, Failed, Outcome
from monagent.exporter.engine import Total
from monagent.exporter.otel import metrics_data
from monagent.settings import Settings
from monagent.settings_kinds import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from requests import PreparedRequest, Request, Response

# Who names a provider of credentials has the SDK make the session, whose answers we then miss.
PROVIDERS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER",
)
HEADERS = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
REPEATABLE = (429, 502, 503, 504)
REMARK = 200
"""Letters of a receiver's own words that we repeat."""


class Refusal(Exception):
    """An answer that the specification does not allow to ask for again."""


class Unseen(requests.Session):
    """Within a program its calls are none of the program's: past wrappers, which count them.

    Also says no to repetitions that older SDKs make beside the specification.

    Attributes:
        answer: the last one.
        failed: told why there was none.
        patience: seconds that a receiver may ask to wait.
        strays: headers that are not to be sent.
    """

    answer: Response | None = None
    patience = 10.0
    strays: Collection[str] = ()

    def __init__(self, failed: Callable[[Exception], None] = lambda _: None) -> None:
        super().__init__()
        self.failed = failed

    def prepare_request(self, request: Request) -> PreparedRequest:
        """As requests does, whose words on a wrong header repeat it."""
        try:
            prepared = super().prepare_request(request)
        except InvalidHeader:
            raise InvalidHeader("found a header that HTTP does not allow") from None
        for name in self.strays:
            prepared.headers.pop(name, None)
        return prepared

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """As requests does, which prefers REQUESTS_CA_BUNDLE to a session's own certificates."""
        chosen = self.verify if verify is None and isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, chosen, cert)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Sends; raises Refusal."""
        sending: Any = requests.Session.send
        while hasattr(sending, "__wrapped__"):
            sending = sending.__wrapped__
        kwargs["allow_redirects"] = False
        try:
            answer = cast("Response", sending(self, request, **kwargs))
        except Exception as error:
            self.failed(error)
            raise
        self.answer = answer
        if answer.status_code >= 300 and not self._repeatable(answer):
            raise Refusal
        return answer

    def _repeatable(self, answer: Response) -> bool:
        if answer.status_code not in REPEATABLE:
            return False
        wait = answer.headers.get("retry-after", "")
        return not wait.isdecimal() or int(wait) <= self.patience


class Otlp:
    """An OTLP receiver; one `send` is one request, which the SDK repeats until its timeout where
    the specification allows it: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response."""

    name = OTLP
    attempts = 1
    trouble = ""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.otlp_endpoint or ""
        self.where = without_password(self._url)
        self._told = _Told()
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self._told)
        logger.propagate = False
        seconds = settings.otlp_timeout / 1000
        self._session = None if any(map(os.environ.get, PROVIDERS)) else Unseen(self._note)
        if self._session is not None:
            self._session.patience = seconds
            self._session.strays = _strays(settings.otlp_headers)
        self._exporter = OTLPMetricExporter(
            endpoint=settings.otlp_endpoint,
            certificate_file=settings.otlp_certificate,
            client_key_file=settings.otlp_client_key,
            client_certificate_file=settings.otlp_client_certificate,
            headers=settings.otlp_headers,
            timeout=seconds,
            compression=Compression(settings.otlp_compression),
            session=self._session,
        )

    def send(self, total: Total, text: bytes) -> Outcome:  # noqa: ARG002 - the data alone
        """Pushes the numbers; raises Failed."""
        self._told.last = ""
        if self._session is not None:
            self._session.answer = None
        data = metrics_data(total.table.targets, total.cells, total.resource, total.start)
        try:
            taken = self._exporter.export(data) is MetricExportResult.SUCCESS
        except Refusal:
            taken = False
        except Exception as error:  # Not its repr, which may hold a header.
            raise Failed(self._line(f"{type(error).__name__}: {error}")) from None
        answer = self._session.answer if self._session is not None else None
        if not taken and answer is None:
            raise Failed(self.trouble or self._line(self._told.last or "not taken"))
        if answer is None:
            return TAKEN
        if not taken:
            place = answer.headers.get("location")
            hint = f", it points to {place}" if place else ""
            raise Failed(self._line(f"{answer.status_code} {answer.reason}{hint}"))
        return _partial(self.where, answer.content)

    def _note(self, error: BaseException) -> None:
        """What the SDK says at the end is that it has given up, and not what it met."""
        while cause := error.__cause__ or error.__context__:
            error = cause
        self.trouble = self._line(getattr(error, "strerror", None) or str(error))

    def _line(self, text: str) -> str:
        """What happened at which receiver, without its password."""
        return f"{self.where}: {text.replace(self._url, self.where)}"


def _strays(headers: dict[str, str]) -> set[str]:
    """Headers that the environment names beside those in force, which may be the settings file's:
    1.45 of the SDK sends both, and they may be meant for another receiver."""
    given = os.environ.get(HEADERS[0]) or os.environ.get(HEADERS[1], "")
    named = parse_env_headers(given, liberal=True)
    return set(named) - {name.lower() for name in headers} if headers else set()


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
