"""The oldest versions of frameworks pass the same tests as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

TESTS = Path(__file__).parent.parent
BESIDE = ["pytest", "wrapt", "opentelemetry-api", "hypothesis", "prometheus-client", "trustme"]
OF_THEIR_OWN = [
    "tornado==6.2",
    "sanic==23.3.0",
    "websockets==13.1",
    "setuptools<80",
    "graphql-core==3.2.0",
    "strawberry-graphql<0.230",
    "ariadne<0.24",
    "flask",
]
# Of Falcon and Bottle the oldest that run on the interpreter of CI; Falcon 3.0.0 and Bottle 0.12.19
# were held by hand, on 3.10.
OVER_WSGI = [
    "falcon==3.1.1",
    "bottle==0.12.22",
    "pyramid==1.10",
    "setuptools<80",
    "connexion[flask,uvicorn]==3.0.0",
    "flask<3.1",
    "starlette<0.38",
    "waitress==1.4.0",
]
ON_FLASK = ["flask==2.2.0", "werkzeug==2.2.0", "flask-restx==1.0.1", "flask-restful==0.3.9"]
OVER_ASGI = [
    "litestar==2.9.0",
    "sniffio",
    "httpx<0.28",
    "quart==0.18.0",
    "werkzeug<2.3",
    "starlette",
]
BRIDGES = [
    "asgiref==3.2.0",
    "a2wsgi==1.10.0",
    "hypercorn",
    "fastapi",
    "flask",
    "quart",
    "httpx",
    "uvloop==0.17.0",
    # coverage 6.2, which is covered, says of itself that it ran up to 3.10.
    "coverage==6.5.0",
]
SETS = {
    "of-their-own": (
        OF_THEIR_OWN,
        ["tornado", "tornado_websockets", "sanic", "sanic_websockets", "graphql"],
        "",
    ),
    # Handlers of Connexion 3.0 take other arguments.
    "over-wsgi": (
        OVER_WSGI,
        ["falcon", "bottle", "pyramid", "connexion", "waitress"],
        "not handled",
    ),
    "on-flask": (ON_FLASK, ["flask_apis"], ""),
    "over-asgi": (OVER_ASGI, ["litestar", "quart"], ""),
    "bridges": (BRIDGES, ["bridges", "loops", "coverage"], ""),
}


@pytest.mark.slow
@older_than_the_interpreter
@pytest.mark.parametrize(("oldest", "files", "only"), SETS.values(), ids=list(SETS))
def test_the_oldest_versions_are_recorded_alike(
    tmp_path: Path, oldest: list[str], files: list[str], only: str
) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, *BESIDE, *oldest)
    folders = [TESTS / folder for folder in ("http", "runtime", "launch")]
    found = [folder / f"test_{file}.py" for folder in folders for file in files]
    tests = [str(path) for path in found if path.exists()]
    assert len(tests) == len(files)
    # Old releases warn of old interpreters' ways.
    said = passes(python, "-W", "default", "-k", only, *tests)

    assert " passed" in said
