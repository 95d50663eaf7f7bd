"""The oldest Celery that is covered is recorded as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
# Celery 5.2 imports pkg_resources.
OLDEST = ["celery==5.2.0", "kombu==5.2.1", "redis==3.5.3", "setuptools<80", "gevent"]
FILES = ["beat", "queues", "states", "unnoticed"]
# All pass; of each kind there is one here, since together they take minutes.
CHOSEN = ["an_interval", "a_crontab", "nothing_is_missed", "tells_only_whether", "planned_runs"]
CHOSEN += ["every_way_to_end", "pools_without_children", "revoked_once and True", "in_place"]
CHOSEN += ["waits_at_the_broker", "counters_of_known", "unnoticed.py"]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, "pytest", "wrapt", *OLDEST)
    files = [str(HERE / f"test_{file}.py") for file in FILES]
    # Old releases warn of old interpreters' ways.
    inner = ("-W", "default", "--basetemp", str(tmp_path / "inner"))
    said = passes(python, *inner, "-k", f"({' or '.join(CHOSEN)}) and not rabbitmq", *files)

    assert " passed" in said
