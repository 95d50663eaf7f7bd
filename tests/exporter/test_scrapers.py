"""Independent scrapers take what the exporter shows: Prometheus and VictoriaMetrics."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.exporter.forge import LATENCY, REQUESTS, Forged
from tests.exporter.running import exporter, fetch, until, write_root
from tests.ports import free_port
from tests.services._started import program, stop
from tests.services.prometheus import prometheus


@contextmanager
def victoria_metrics(target: int, folder: Path) -> Iterator[int]:
    """Scrapes 127.0.0.1:`target` every second; yields the port that answers PromQL."""
    config = folder / "scrape.yml"
    config.write_text(
        "scrape_configs:\n- {job_name: sample, scrape_interval: 1s, "
        f"static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}\n"
    )
    port = free_port()
    process = subprocess.Popen(
        [
            program("victoria-metrics", "victoria-metrics"),
            f"-promscrape.config={config}",
            f"-storageDataPath={folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-search.latencyOffset=1s",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        stop(process)


def query(port: int, expression: str) -> list[tuple[dict[str, str], float]]:
    """The instant vector, or nothing while the scraper has nothing or is not up."""
    try:
        answer = fetch(port, f"/api/v1/query?query={urllib.parse.quote(expression)}")
    except (OSError, HTTPException):
        return []
    if answer.status != 200:
        return []
    result = json.loads(answer.text)["data"]["result"]
    return [(one["metric"], float(one["value"][1])) for one in result]


@pytest.mark.parametrize("scraper", [prometheus, victoria_metrics])
def test_a_scraper_finds_every_kind_with_its_labels(
    tmp_path: Path, scraper: Callable[[int, Path], AbstractContextManager[int]]
) -> None:
    """Prometheus asks for OpenMetrics, VictoriaMetrics for plain text; both get the same."""
    state = tmp_path / "state"
    state.mkdir()
    write_root(state, os.getpid())
    Forged(
        str(state),
        [
            (REQUESTS, {"route": '/"a\\b\n'}, [42.0]),
            (LATENCY, {"route": "/"}, [0.75, 5.0, 5.0, 0.0, 0.01, 0.5]),
        ],
    )
    with exporter(state) as running, scraper(running.port, tmp_path) as port:
        [(labels, value)] = until(lambda: query(port, "http_requests_total"), "the first scrape")
        quantile = "histogram_quantile(0.5, http_server_request_duration_seconds_bucket)"
        [(_, median)] = until(lambda: query(port, quantile), "the histogram")
        [(_, up)] = until(lambda: query(port, "up"), "the target")
        [(target, _)] = until(lambda: query(port, "target_info"), "the resource")

    assert (labels["route"], value) == ('/"a\\b\n', 42.0)
    assert median == pytest.approx(0.1)
    assert up == 1.0
    assert target["service_name"] == "unknown_service:python"
