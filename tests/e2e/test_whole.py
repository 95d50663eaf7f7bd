"""One application of FastAPI, SQLAlchemy on PostgreSQL, httpx and Celery: each operation once.

Four web workers and a prefork queue worker; what the endpoint says is held against the client's
count, PostgreSQL's statement log and the broker.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.command import Scrape, running, until
from tests.e2e.load import drive, gets
from tests.ports import free_port
from tests.services import postgres, redis

HTTP = "http_server_request_duration_seconds_count"
CALLS = "http_client_request_duration_seconds_count"
QUERIES = "db_client_operation_duration_seconds_count"
JOBS = "job_execution_total"


def done(scrape: Scrape) -> float:
    """Attempts to run a job that ended somehow."""
    return scrape.total(JOBS)


def test_every_operation_of_one_application_counts_once(tmp_path: Path) -> None:
    """Requests, queries, calls and jobs, with failures and timeouts, over five processes."""
    port = free_port()
    with postgres.server() as database, redis.server() as broker:
        environ = {
            "WHOLE_DATABASE": database.url("psycopg"),
            "WHOLE_BROKER": f"redis://127.0.0.1:{broker}/0",
            "WHOLE_PORT": str(port),
        }
        python = f"exec {sys.executable} -m"
        script = (
            f"{sys.executable} -c 'import whole; whole.set_up()' || exit; "
            f"({python} celery -A whole:queue worker -c 2 -l warning) & "
            f"{python} uvicorn --port {port} --workers 4 --log-level warning whole:app"
        )
        with running(["sh", "-c", script], tmp_path, ready=port, environ=environ) as run:
            requests = [
                *gets(80, "/rows", "/wrong"),
                *gets(60, "/call/200", "/call/404", "/call/503"),
                *gets(4, "/slow"),
                *[("POST", f"/work/{kind}") for kind in ("fine", "failed", "retried")] * 20,
            ]
            seen = drive(port, requests, 4)
            # 20 of each kind, and one more attempt of each that was retried.
            until(lambda: done(run.scrape()) >= 80, "80 jobs", 180, run.output)
            # The peers of the calls that timed out answer after a second.
            until(lambda: run.scrape().requests >= len(requests) + 64, "every request")
            until(lambda: run.scrape().total("job_active") == 0, "the end of the last job")
            last = run.scrape()
            waiting = int(
                subprocess.run(
                    ["redis-cli", "-p", str(broker), "llen", "celery"],
                    capture_output=True, text=True, check=True,
                ).stdout
            )  # fmt: skip
        rows, wrong = (len(database.statements(f"/* {name} */")) for name in ("rows", "wrong"))
        inserted = len(database.statements("INSERT INTO worked"))

    assert (seen.statuses, seen.unknown) == ({200: len(requests)}, 0)
    assert last.requests == len(requests) + 64
    assert last.total(HTTP, http_response_status_code="503") == 20
    assert last.total("http_server_active_requests") == 0
    assert last.total(CALLS) == 64
    assert last.total(CALLS, http_response_status_code="404") == 20
    assert last.total(CALLS, error_type="read_timeout") == 4
    assert last.total("http_client_active_requests") == 0
    assert (rows, wrong) == (40, 40)
    assert last.total(QUERIES, db_operation_name="SELECT") == rows + wrong
    failed = sum(
        value
        for labels, value in last.samples[QUERIES].items()
        if any(name == "error_type" for name, _ in labels)
    )
    assert failed == wrong
    assert last.total(QUERIES, db_operation_name="INSERT") == inserted == 80
    assert last.total("job_enqueued_total") == 80
    states = ("success", "failed", "retried", "rejected", "timed_out")
    found = {state: last.total(JOBS, status=state) for state in states}
    assert found == {"success": 40, "failed": 20, "retried": 20, "rejected": 0, "timed_out": 0}
    assert (waiting, last.total("job_active")) == (0, 0)
