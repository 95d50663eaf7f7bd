"""The oldest servers and frameworks that are covered count requests as the newest do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
BESIDE = ["pytest", "wrapt", "opentelemetry-api", "prometheus-client", "setuptools<80"]
# Of granian 1.6 no earlier release is to be had.
SERVERS = ["hypercorn[trio]==0.14.0", "granian==1.6.4"]
OVER_WSGI = ["gunicorn==20.0.0", "flask==2.2.0", "werkzeug==2.2.0", "waitress==1.4.0", "gevent"]
OVER_ASGI = [
    "fastapi==0.100.0",
    "starlette==0.27.0",
    "uvicorn==0.17.0",
    # The oldest that uvicorn-worker takes.
    "gunicorn==20.1.0",
    "uvicorn-worker",
    "httptools",
    "uvloop==0.18.0",  # granian wants it
    # The servers use what newer releases of these have no more.
    "websockets<14",
    "trio<0.22",
    "anyio<4",
]
SETS = {
    "over-wsgi": (
        OVER_WSGI,
        ["servers", "early"],
        "[flask- or bare_wsgi or early",
        # Under gevent, gunicorn 20.0 sends empty files, bare as well; hypercorn 0.14 answers 500
        # when a body breaks off, see test_early.py.
        ["gunicorn-gevent-static", "servers.py and hypercorn-wsgi-late", "over_asgi"],
    ),
    "over-asgi": (
        OVER_ASGI,
        ["servers", "unanswered", "early"],
        "fastapi- or starlette- or bare_asgi or unanswered or over_asgi",
        # gunicorn 20 has no workers of its own for ASGI. Under granian 1.6 the anyio of those
        # years raises a group of what was raised and of a `receive` cancelled, bare as well.
        ["gunicorn-asgi", "fastapi-granian", "starlette-granian-late"],
    ),
}


@pytest.mark.slow
@older_than_the_interpreter
@pytest.mark.parametrize(("oldest", "files", "only", "but"), SETS.values(), ids=list(SETS))
def test_the_oldest_versions_count_alike(
    tmp_path: Path, oldest: list[str], files: list[str], only: str, but: list[str]
) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, *BESIDE, *SERVERS, *oldest)
    chosen = f"({only}) and not ({' or '.join(but)})"
    tests = [str(HERE / f"test_{file}.py") for file in files]
    # Old releases warn of old interpreters' ways.
    said = passes(python, "-W", "default", "--basetemp", str(tmp_path / "in"), "-k", chosen, *tests)

    assert " passed" in said
