"""Pushes to an OTLP receiver: when, what of, and what its answers make of them."""

from __future__ import annotations

import gzip
import os
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from monagent.exporter.otel import metrics_data
from monagent.exporter.table import Table
from tests.exporter.forge import ACTIVE, LATENCY, REQUESTS
from tests.exporter.running import DEADLINE, exporter, sleeper, speaker, until, write_root
from tests.exporter.test_delivery import counted
from tests.exporter.test_guest import port_of, start, tell
from tests.launch.oracle import RUN, run


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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OTLP receiver."""
    found = Receiver()
    yield found
    found.close()


def test_series_found_after_the_numbers_were_read_are_left_for_the_next_push() -> None:
    """A delivery is made beside others, each of which counts itself when it is over."""
    table = Table()
    table.target(REQUESTS, {}).feeds = 1
    cells = [3.0]
    for later in (ACTIVE, LATENCY):
        table.target(later, {}).feeds = 1

    [resource] = metrics_data(table.targets, cells, {}, 1.0).resource_metrics

    assert [one.name for by in resource.scope_metrics for one in by.metrics] == [REQUESTS.name]


def test_otlp_is_pushed_at_the_interval_and_once_at_the_end(
    tmp_path: Path, receiver: Receiver
) -> None:
    """With all kinds, attribute types, the resource, and headers from the environment."""
    with sleeper() as root:
        write_root(tmp_path, root.pid)
        counted(tmp_path, root.pid)
        with exporter(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-token=secret",
            OTEL_METRIC_EXPORT_INTERVAL="300",
            OTEL_SERVICE_NAME="billing",
        ) as running:
            until(lambda: receiver.requests, "a push")
            metrics = receiver.metrics()
            assert receiver.headers[0]["x-token"] == "secret"
            assert (
                receiver.resource().items() >= {"service.name": "billing", "team": "blue"}.items()
            )
            assert metrics["http.server.active_requests"].sum.data_points[0].as_double == 1
            root.kill()
            root.wait()
            assert running.process.wait(DEADLINE) == 0

    last = receiver.metrics()
    assert "http.server.active_requests" not in last
    [point] = last["http.requests"].sum.data_points
    assert last["http.requests"].sum.is_monotonic
    assert (point.as_double, point.start_time_unix_nano) == (3, 1_000_000_000)
    kinds = {one.key: one.value.WhichOneof("value") for one in point.attributes}
    assert kinds == {
        "route": "string_value",
        "ok": "bool_value",
        "n": "int_value",
        "tags": "array_value",
    }
    [point] = last["http.server.request.duration"].histogram.data_points
    assert (point.count, point.sum, list(point.bucket_counts)) == (3, 0.75, [1, 0, 2])
    assert (point.min, point.max, list(point.explicit_bounds)) == (0.01, 7.5, [0.1, 1.0])
    assert [p.as_double for p in metrics["room.temperature"].gauge.data_points] == [21.5]


def test_a_program_shorter_than_the_interval_is_delivered_at_its_end(
    tmp_path: Path, receiver: Receiver
) -> None:
    """It has ended before the exporter has even started."""
    with sleeper() as root:
        write_root(tmp_path, root.pid)
        counted(tmp_path, root.pid)
    with exporter(tmp_path, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=receiver.url + "/x") as running:
        assert running.process.wait(DEADLINE) == 0

    assert receiver.metrics()["http.requests"].sum.data_points[0].as_double == 3


def test_sigterm_delivers_and_leaves_the_state_to_a_successor(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The program lives on; its numbers are delivered as they are now."""
    write_root(tmp_path, os.getpid())
    counted(tmp_path, os.getpid())
    with exporter(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as running:
        assert running.get().status == 200
        assert running.end() == 0

    assert receiver.metrics()["http.server.active_requests"].sum.data_points[0].as_double == 1
    assert len(list(tmp_path.glob("*.shard"))) == 1


def test_a_receiver_that_refuses_at_first_gets_the_numbers_later(tmp_path: Path) -> None:
    """The SDK's exporter repeats 503."""
    receiver = Receiver(refusals=1)
    try:
        with sleeper() as root:
            write_root(tmp_path, root.pid)
            counted(tmp_path, root.pid)
        with exporter(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as running:
            assert running.process.wait(DEADLINE) == 0
        assert receiver.metrics()["http.requests"].sum.data_points[0].as_double == 3
    finally:
        receiver.close()


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


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (400, {}, b": 400 Bad Request\n"),
        (500, {}, b": 500 Internal Server Error\n"),
        (503, {"Retry-After": "3600"}, b": 503 Service Unavailable\n"),
        (302, {"Location": "https://there/x"}, b": 302 Found, it points to https://there/x\n"),
    ],
)
def test_what_otlp_does_not_allow_to_repeat_is_sent_once_and_told(
    tmp_path: Path, status: int, headers: dict[str, str], told: bytes
) -> None:
    """Nor what is to wait for longer than we may; a redirect is no success."""
    receiver = Receiver(refusals=100, status=status, refusal=headers)
    said = said_of_one_delivery(tmp_path, receiver)

    assert receiver.refused == 1
    assert said.count(b"the last numbers were not delivered to") == 1
    assert told in said


def test_deliveries_are_counted_from_the_start(tmp_path: Path) -> None:
    """At 0 for each goal that is set, long before the first one: `increase` sees a failed push."""
    with speaker() as root:
        write_root(tmp_path, root.pid)
        counted(tmp_path, root.pid)
        with exporter(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
            MONAGENT_TEXTFILE=str(tmp_path / "numbers.prom"),
        ) as running:
            counts = running.samples()

    found = {key: value for key, value in counts.items() if key.startswith("monagent_deliveries")}
    assert found == {
        'monagent_deliveries_total{goal="otlp",outcome="failure"}': 0,
        'monagent_deliveries_total{goal="otlp",outcome="success"}': 0,
        'monagent_deliveries_rejected_total{goal="otlp"}': 0,
        'monagent_deliveries_total{goal="textfile",outcome="failure"}': 0,
        'monagent_deliveries_total{goal="textfile",outcome="success"}': 0,
        'monagent_deliveries_rejected_total{goal="textfile"}': 0,
    }


def test_points_that_a_receiver_leaves_out_are_counted_and_told_once(tmp_path: Path) -> None:
    """It has taken the rest, so that nothing is sent again."""
    receiver = Receiver(rejected=2, words="too\x1b old")
    try:
        with speaker() as root:
            write_root(tmp_path, root.pid)
            counted(tmp_path, root.pid)
            with exporter(
                tmp_path,
                OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
                OTEL_METRIC_EXPORT_INTERVAL="100",
            ) as running:
                until(lambda: len(receiver.requests) >= 3, "pushes")
                counts = running.samples()
            said = root.said()
    finally:
        receiver.close()

    pushed = counts['monagent_deliveries_total{goal="otlp",outcome="success"}']
    assert counts['monagent_deliveries_rejected_total{goal="otlp"}'] == 2 * pushed > 0
    assert counts['monagent_deliveries_total{goal="otlp",outcome="failure"}'] == 0
    assert said.count(b"/v1/metrics leaves out data points: too  old\n") == 1


def test_a_receiver_that_warns_of_what_it_took_is_heard(tmp_path: Path) -> None:
    """The specification lets it say so with a full success."""
    receiver = Receiver(words="use the new endpoint")
    said = said_of_one_delivery(tmp_path, receiver)

    assert said.count(b"/v1/metrics says: use the new endpoint\n") == 1
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("header", ["%0A", "%E2%80%A6", "%20"])
def test_secrets_are_sent_and_never_shown(tmp_path: Path, header: str) -> None:
    """The password of the URL, and a header: of two lines, of letters HTTP lacks, and right."""
    receiver = Receiver(refusals=100, status=400)
    said = said_of_one_delivery(
        tmp_path,
        receiver,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url.replace("//", "//me:SECRET@"),
        OTEL_EXPORTER_OTLP_HEADERS=f"x-token=SECRET{header}SECRET",
    )
    log = (tmp_path / "exporter.log").read_text()

    assert f"not delivered to {receiver.url}/v1/metrics: ".encode() in said
    assert b"SECRET" not in said
    assert "SECRET" not in log
    assert receiver.refused == (header == "%20")


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize(
    ("name", "path", "asked"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/all", "/all/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/mine/", "/mine/"),
    ],
)
def test_the_settings_file_says_where_to_push_and_how(
    tmp_path: Path, receiver: Receiver, name: str, path: str, asked: str, thread: bool
) -> None:
    """As the environment does, in a process of its own and inside the program."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "monagent.conf"
    file.write_text(
        f"{name}={receiver.url}{path}\nOTEL_EXPORTER_OTLP_HEADERS=x-token=a%20b\n"
        "OTEL_EXPORTER_OTLP_COMPRESSION=gzip\n"
    )
    if thread:
        program = start(state, MONAGENT_CONFIG=str(file))
        port_of(state)
        tell(program, "exit")
        assert program.communicate(timeout=DEADLINE)[1] == ""
    else:
        with sleeper() as root:
            write_root(state, root.pid)
            counted(state, root.pid)
        with exporter(state, MONAGENT_CONFIG=str(file)) as running:
            assert running.process.wait(DEADLINE) == 0

    assert receiver.paths == [asked]
    assert (receiver.headers[0]["x-token"], receiver.headers[0]["Content-Encoding"]) == (
        "a b",
        "gzip",
    )


@pytest.mark.parametrize("in_file", [False, True])
def test_certificates_are_found_whoever_names_them(tmp_path: Path, in_file: bool) -> None:
    """Relative to the settings file, or to the working directory, which is not the exporter's; the
    command finds its variables as they were."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = authority.issue_cert("monagent@example.org")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    receiver = Receiver(tls=tls)
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": "cert.pem",
        "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": "key.pem",
    }
    file = tmp_path / "monagent.conf"
    file.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    code = "import os, sqlite3; sqlite3.connect(':memory:').execute('select 1')\n"
    code += "print(os.environ.get('OTEL_EXPORTER_OTLP_CERTIFICATE'))"
    try:
        ran = run(
            RUN,
            [sys.executable, "-c", code],
            options=["--supervise"],
            environ={
                "REQUESTS_CA_BUNDLE": str(tmp_path / "cert.pem"),
                **({"MONAGENT_CONFIG": str(file)} if in_file else given),
            },
            cwd=Path("/") if in_file else tmp_path,
        )
    finally:
        receiver.close()

    assert (ran.code, ran.stderr) == (0, b"")
    assert ran.stdout == (b"None\n" if in_file else b"ca.pem\n")
    assert receiver.paths == ["/v1/metrics"]


def test_headers_for_all_signals_go_nowhere_that_metrics_have_their_own(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Those of the environment may be a password for another receiver."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "monagent.conf"
    file.write_text("OTEL_EXPORTER_OTLP_METRICS_HEADERS=X-Mine=1\n")
    said_of_one_delivery(
        state, receiver, OTEL_EXPORTER_OTLP_HEADERS="x-all=2,x-mine=3", MONAGENT_CONFIG=str(file)
    )

    names = {name.lower(): value for name, value in receiver.headers[0].items()}
    assert (names.get("x-mine"), names.get("x-all")) == ("1", None)
