"""The image is built and run: a container that knows nothing of monagent is adopted by variables.

Needs buildah, podman and an image python:3.11-slim; where one is missing the test says so.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import scrape, scrapes, until
from tests.ports import free_port
from tests.services.prometheus import answer, prometheus

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.11-slim"
AGENT = "localhost/monagent:test"
SAMPLE = "localhost/monagent-sample:test"


def run(*command: str, check: bool = True) -> str:
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def engine() -> str:
    """podman, with both images built; skips with what is missing."""
    for tool in ("buildah", "podman"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt-get install buildah podman")
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode:
        pytest.skip(f"there is no image {BASE} here and no hub is asked for one")
    probe = ["podman", "run", "--rm", BASE, "true"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"containers do not run here: {tried.stderr.strip()[-300:]}")
    for tag, file in ((AGENT, "docker/Dockerfile"), (SAMPLE, "docker/sample/Dockerfile")):
        arguments = ("--build-arg", f"BUILD={BASE}") if tag == AGENT else ()
        run("buildah", "bud", "-q", "--format", "docker", *arguments, "-t", tag, "-f", file, ".")
    return "podman"


@contextlib.contextmanager
def sample(engine: str, volume: Path, app: int, metrics: int) -> Iterator[str]:
    """The sample's container with the agent's volume and three variables."""
    name = f"monagent-sample-{app}"
    run(
        *(engine, "run", "-d", "--name", name, "--no-healthcheck"),
        *("-e", "PYTHONPATH=/monagent/site/monagent/bootstrap", "-e", "MONAGENT_HOST=0.0.0.0"),
        *("-e", "MONAGENT_SERVICE_NAME=sample", "-v", f"{volume}:/monagent:ro"),
        *("-p", f"127.0.0.1:{app}:8000", "-p", f"127.0.0.1:{metrics}:9464", SAMPLE),
    )
    try:
        yield name
    finally:
        run(engine, "rm", "-f", "-t", "1", name, check=False)


def status(port: int, path: str, method: str = "GET") -> int:
    """The status with which the sample answers, 0 if it does not."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, headers={"Host": "127.0.0.1:8000"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        return answer.code
    except OSError:
        return 0


def test_an_unchanged_container_is_adopted_by_environment_alone(
    engine: str, tmp_path: Path
) -> None:
    """Requests, queries, calls and jobs of the sample's container arrive in Prometheus, exactly."""
    volume = tmp_path / "agent"
    volume.mkdir()
    volume.chmod(0o777)
    run(engine, "run", "--rm", "-v", f"{volume}:/shared", AGENT)
    # The sample may not write there, and would compile all of it at each start.
    assert list(volume.glob("site/monagent/__pycache__/agent.cpython-311.pyc"))
    app, metrics = free_port(), free_port()
    with sample(engine, volume, app, metrics) as name, prometheus(metrics, tmp_path) as server:
        until(lambda: status(app, "/") == 200, "the sample's first answer")
        until(lambda: scrapes(metrics) and scrape(metrics).requests >= 1, "its count")
        before = scrape(metrics).requests
        statuses = [status(app, "/shop/products/3/price/EUR") for _ in range(20)]
        statuses += [status(app, "/shop/orders?product_id=2", "POST") for _ in range(20)]
        # The price calls the sample itself, so each is two requests.
        until(lambda: scrape(metrics).requests >= before + 60, "60 requests")
        done = "job_execution_total"
        until(lambda: scrape(metrics).total(done) >= 20, "20 jobs")
        seen = scrape(metrics)
        rate = 'sum(rate(http_server_request_duration_seconds_count{job="sample"}[1m]))'

        def rated() -> bool:
            return status(app, "/") == 200 and any(answer(server, rate).values())

        until(rated, "a rate in Prometheus")
        began = time.monotonic()
        run(engine, "stop", "-t", "20", name)
        graceful = time.monotonic() - began < 20
        code = run(engine, "inspect", name, "--format", "{{.State.ExitCode}}").strip()

    assert statuses == [200] * 20 + [201] * 20
    assert seen.requests == before + 60
    assert seen.total("http_client_request_duration_seconds_count") == 20
    assert (
        seen.total("db_client_operation_duration_seconds_count", db_operation_name="INSERT") >= 20
    )
    assert seen.total("job_enqueued_total") == 20
    assert seen.total(done) == 20
    assert (graceful, code) == (True, "0")
