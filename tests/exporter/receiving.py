"""An OTLP receiver, and an exporter that delivers to it."""

from __future__ import annotations

import gzip
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.exporter.running import exporter, speaker, write_root
from tests.exporter.test_delivery import counted


class Receiver:
    """An OTLP receiver over HTTP, which refuses the first `refusals` requests with a status and
    headers, and answers the others with these rejected points and words."""

    def __init__(
        self,
        refusals: int = 0,
        status: int = 503,
        refusal: dict[str, str] | None = None,
        rejected: int = 0,
        words: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.refused = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                nonlocal refusals
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                refusals -= 1
                self.send_response(status if refusals >= 0 else 200)
                found = ExportMetricsServiceResponse()
                if rejected or words:
                    found.partial_success.rejected_data_points = rejected
                    found.partial_success.error_message = words
                answer = found.SerializeToString()
                self.send_header("Content-Length", str(len(answer)))
                for name, value in (refusal or {}).items() if refusals >= 0 else ():
                    self.send_header(name, value)
                # All is noted before the sender may go on.
                receiver.refused += refusals >= 0
                if refusals < 0:
                    receiver.paths.append(self.path)
                    receiver.headers.append(dict(self.headers.items()))
                    receiver.requests.append(ExportMetricsServiceRequest.FromString(body))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stops it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def metrics(self) -> dict[str, Any]:
        """The metrics of the last request, by name."""
        [resource] = self.requests[-1].resource_metrics
        return {m.name: m for scope in resource.scope_metrics for m in scope.metrics}

    def resource(self) -> dict[str, str]:
        """The resource of the last request."""
        [found] = self.requests[-1].resource_metrics
        return {one.key: one.value.string_value for one in found.resource.attributes}


def said_of_one_delivery(folder: Path, receiver: Receiver, **environ: str) -> bytes:
    """What the operator reads when the exporter is ended, and delivers to this receiver then."""
    surroundings: Any = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **environ}
    try:
        with speaker() as root:
            write_root(folder, root.pid)
            counted(folder, root.pid)
            with exporter(folder, **surroundings) as running:
                assert running.get().status == 200
                assert running.end() == 0
            return root.said()
    finally:
        receiver.close()
