"""The wheel: what it ships, and that it works from an environment other than the application's."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.e2e.command import scrape, until
from tests.environment import COMPILES
from tests.launch.oracle import python
from tests.ports import free_port, listening

ROOT = Path(__file__).resolve().parents[2]
UV = (sys.executable, "-m", "uv")
MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
REQUESTS = 20
APPLICATION = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/items/{number}")
def item(number: int) -> int:
    return number
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of this tree."""
    folder = tmp_path_factory.mktemp("built")
    _run(*UV, "build", "--quiet", "--out-dir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def monagent(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed with pip into an environment of the newest Python there is."""
    newest = next(found for minor in reversed(MINORS) if (found := python(minor)))
    folder = tmp_path_factory.mktemp("agent")
    # pip before 25.3 finds no way through a half-published OpenTelemetry release.
    _run(newest, "-m", "venv", "--upgrade-deps", str(folder))
    _run(str(folder / "bin/python"), "-m", "pip", "install", "-q", str(wheel))
    return folder / "bin" / "monagent"


def test_the_wheel_ships_the_bootstrap_alone_in_its_folder(wheel: Path) -> None:
    """PYTHONPATH must show nothing else; types and license come along, tests do not."""
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())

    assert {name for name in names if name.startswith("monagent/bootstrap/")} == {
        "monagent/bootstrap/sitecustomize.py"
    }
    assert "monagent/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"monagent"}


@pytest.mark.skipif(not COMPILES, reason="no compiler, or no Python.h")
def test_the_wheel_has_its_part_in_c_for_every_minor(wheel: Path) -> None:
    """Which uses the stable interface of 3.10."""
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())

    assert "monagent/_native.abi3.so" in names
    assert "-cp310-abi3-linux" in wheel.name


def test_without_a_compiler_the_wheel_is_one_of_python_alone(tmp_path: Path) -> None:
    """It works everywhere."""
    _run(*UV, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT), CC="none-here")
    (found,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(found) as files:
        names = files.namelist()

    assert found.name.endswith("-py3-none-any.whl")
    assert not [name for name in names if name.endswith(".so")]


def test_the_source_distribution_is_enough_to_build_the_wheel(built: Path) -> None:
    """It holds the bootstrap, which lies outside of src."""
    (found,) = built.glob("*.tar.gz")
    with tarfile.open(found) as files:
        names = {name.partition("/")[2] for name in files.getnames()}

    assert {"pyproject.toml", "LICENSE", "bootstrap/sitecustomize.py"} <= names
    assert {"src/native/module.c", "src/native/build.py"} <= names


@pytest.mark.parametrize("minor", MINORS)
def test_an_application_of_another_environment_is_counted(
    monagent: Path, minor: str, tmp_path: Path
) -> None:
    """FastAPI under uvicorn, in an environment of its own that has never heard of monagent."""
    interpreter = python(minor)
    if interpreter is None:
        pytest.skip(f"no Python {minor} on this machine")
    _run(*UV, "venv", "-q", "--python", interpreter, str(tmp_path / "app"))
    own = str(tmp_path / "app/bin/python")
    _run(*UV, "pip", "install", "-q", "--python", own, "fastapi", "uvicorn")

    _counts_requests([str(monagent), "run"], own, tmp_path)


def test_uv_tool_installs_a_command_that_works(wheel: Path, tmp_path: Path) -> None:
    """As pipx does: an environment of its own, and one command linked into a folder of commands."""
    folders = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    _run(*UV, "tool", "install", "-q", "--python", sys.executable, str(wheel), **folders)

    _counts_requests([str(tmp_path / "bin/monagent"), "run"], sys.executable, tmp_path)


def _counts_requests(run: list[str], interpreter: str, folder: Path) -> None:
    """Serves the application with `interpreter` under `run`; its requests are all there."""
    (folder / "application.py").write_text(APPLICATION)
    port, metrics = free_port(), free_port()
    server = [interpreter, "-m", "uvicorn", "--port", str(port), "--log-level", "error"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*run, "--port", str(metrics), "--", *server, "application:app"],
            cwd=folder, env=_environ(), stdout=output, stderr=output,
        )  # fmt: skip
        try:
            until(lambda: listening(port), "the application")
            for number in range(REQUESTS):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/items/{number}").close()
            until(lambda: scrape(metrics).requests >= REQUESTS, "the requests")
            found = scrape(metrics)
        finally:
            process.terminate()
            process.wait(30)

    assert (
        found.total("http_server_request_duration_seconds_count", http_route="/items/{number}")
        == found.requests
        == REQUESTS
    )
    said = (folder / "output").read_text().splitlines()
    assert said == [f"monagent: metrics on http://127.0.0.1:{metrics}/metrics"]


def _run(*command: str, **environ: str) -> None:
    done = subprocess.run(
        command, env=_environ() | environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _environ() -> dict[str, str]:
    """The environment of the test run, with nothing of the project on any path."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
