"""Names, types and labels of what databases show change on purpose only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import golden as goldens
from tests.e2e.command import running, until
from tests.services.postgres import Server

PROGRAM = str(Path(__file__).parent / "programs" / "golden.py")


@pytest.mark.parametrize("library", ["sqlalchemy", "psycopg", "sqlite3"])
def test_names_and_labels_change_on_purpose_only(
    library: str, postgres: Server, tmp_path: Path, golden: goldens.Golden
) -> None:
    """Dashboards and alerts are built on them."""
    if library == "sqlite3" and sys.version_info < (3, 11):
        pytest.skip("before 3.11 SQLite's errors had no names")
    environ = {"DATABASE": postgres.url("psycopg") if library == "sqlalchemy" else postgres.dsn}
    with running([sys.executable, PROGRAM, library], tmp_path, environ=environ) as program:
        name = "db_client_operation_duration_seconds_count"
        failed = {"db_operation_name": "SELECT"} if library != "sqlite3" else {}
        until(lambda: program.scrape().total(name, **failed) >= 1, "the statements")
        if library == "sqlalchemy":
            timeouts = "db_client_connection_timeouts_total"
            until(lambda: program.scrape().total(timeouts) == 1, "the timeout")
        if library == "sqlite3":
            until(lambda: program.scrape().total(name) == 2, "both statements")
        golden(library, program.text, "db_")
