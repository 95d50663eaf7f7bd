"""MONAGENT_HTTP_PATHS=normalise: bare applications have routes, others keep the ones they have."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from monagent import settings
from monagent.integrations import _asgi
from tests.http.asgi import run
from tests.http.numbers import Numbers
from tests.matrix.client import ask
from tests.matrix.scenarios import APPS, read
from tests.matrix.servers import serving
from tests.recorded import counted


def found(folder: Path) -> float:
    """Requests recorded so far."""
    return counted(folder / "state").total("http.server.request.duration")


def routes(module: str, server: str, folder: Path, paths: list[str]) -> dict[str, float]:
    """Requests by route that an application of the matrix records when it is asked for paths."""
    with serving(read(APPS / f"{module}.py"), server, folder) as port:
        for path in paths:
            ask(port, "GET", path)
        deadline = time.monotonic() + 30
        while found(folder) != len(paths) and time.monotonic() < deadline:
            time.sleep(0.02)
    return counted(folder / "state").by("http.server.request.duration", "http.route")


@pytest.mark.parametrize(
    ("module", "server"),
    [("bare_wsgi", "gunicorn"), ("bare_wsgi", "wsgiref"), ("bare_asgi", "uvicorn")],
)
def test_a_bare_application_has_its_paths_as_routes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, server: str
) -> None:
    """With placeholders for ids; what it answers with 404 is no path of its own."""
    monkeypatch.setenv("MONAGENT_HTTP_PATHS", "normalise")
    monkeypatch.setenv("MONAGENT_HTTP_PATH_PATTERNS", "/many/{number}/{letter}")
    asked = ["/ok", "/items/7", "/many/999/y", "/stream", "/nowhere/x"]

    assert routes(module, server, tmp_path, asked) == {
        "/ok": 1,
        "/items/{id}": 1,
        "/many/{number}/{letter}": 1,
        "/stream": 1,
        "unmatched": 1,
    }


def test_a_root_path_is_no_part_of_a_route(numbers: Numbers) -> None:
    """As frameworks have it; uvicorn puts it in front of the path."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    settings.use(settings.load({"MONAGENT_HTTP_PATHS": "normalise"}))
    run(_asgi.measured(app), "/api/items/7", root_path="/api")

    assert numbers.counts() == {"GET /items/{id} 200": 1}


def test_without_the_setting_a_bare_application_has_no_routes(tmp_path: Path) -> None:
    """Nobody but its author knows whether its paths are bounded."""
    assert routes("bare_wsgi", "gunicorn", tmp_path, ["/ok", "/items/7"]) == {"unmatched": 2}


@pytest.mark.parametrize(
    ("module", "server"), [("starlette_app", "uvicorn"), ("bottle_app", "gunicorn")]
)
def test_a_framework_knows_better(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, server: str
) -> None:
    """Also where it found no route."""
    monkeypatch.setenv("MONAGENT_HTTP_PATHS", "normalise")
    item = read(APPS / f"{module}.py").routes["item"]

    assert routes(module, server, tmp_path, ["/items/7", "/nowhere/7"]) == {item: 1, "unmatched": 1}
