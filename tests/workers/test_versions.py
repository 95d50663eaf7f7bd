"""The oldest servers that are covered tell of themselves as the newest do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
# gunicorn 20.0 imports pkg_resources; of granian 1.6 no earlier release is to be had.
OLDEST = ["gunicorn==20.0.0", "setuptools<80", "uvicorn==0.17.0", "hypercorn==0.14.0"]
OLDEST += ["waitress==1.4.0", "granian==1.6.4", "httptools", "uvloop"]
FILES = ["test_gunicorn.py", "test_others.py", "test_uvicorn.py", "oldest_parents.py"]
OTHERWISE = [
    "UvicornWorker",  # uvicorn-worker wants gunicorn 20.1, see tests/matrix/test_versions.py.
    "asgi",  # Since 24.
    "aiohttp",
    "gevent",  # gunicorn's other kinds are enough here, and uvicorn's other loop.
    "asyncio",
    "through_a_reload_and_a_kill and hypercorn",  # It has no reload by a signal.
    # uvicorn replaces no worker and does not look whether one hangs: see oldest_parents.py.
    "everything_a_parent",
    "does_not_answer",
    "its_requests_is_told",
]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, "pytest", "wrapt", "prometheus-client", *OLDEST)
    files = [str(HERE / file) for file in FILES]
    # Old releases warn of old interpreters' ways.
    inner = ("-W", "default", "--basetemp", str(tmp_path / "inner"))
    said = passes(python, *inner, "-k", f"not ({' or '.join(OTHERWISE)})", *files)

    assert " passed" in said
