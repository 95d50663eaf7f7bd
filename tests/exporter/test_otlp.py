"""Pushes to an OTLP receiver: when, what of, and what its answers make of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monagent.exporter.otel import metrics_data
from monagent.exporter.table import Table
from tests.exporter.forge import ACTIVE, LATENCY, REQUESTS
from tests.exporter.receiving import Receiver, said_of_one_delivery
from tests.exporter.running import DEADLINE, exporter, sleeper, speaker, until, write_root
from tests.exporter.test_delivery import counted
from tests.ports import free_port


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


def test_of_the_last_deliveries_those_that_failed_are_told_each_with_its_reason(
    tmp_path: Path,
) -> None:
    """The receiver is asked as long as the SDK asks, and no longer; the file is there."""
    state, taken, url = tmp_path / "state", tmp_path / "taken.prom", f"127.0.0.1:{free_port()}"
    state.mkdir()
    with speaker() as root:
        write_root(state, root.pid)
        counted(state, root.pid)
        with exporter(
            state,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://me:SECRET@{url}",
            OTEL_EXPORTER_OTLP_TIMEOUT="1500",
            MONAGENT_PUSHGATEWAY=f"http://{url}",
            MONAGENT_TEXTFILE=str(taken),
        ) as running:
            assert running.get().status == 200
            assert running.end() == 0
        said = root.said().decode()

    told = [line for line in said.splitlines() if "delivered" in line]
    beginning = f"monagent: the last numbers were not delivered to http://{url}"
    assert sorted(told) == [
        f"{beginning}/metrics/job/job.py: <urlopen error [Errno 111] Connection refused>",
        f"{beginning}/v1/metrics: Connection refused",
    ]
    assert taken.exists()


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
