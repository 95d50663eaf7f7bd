"""A framework that is switched off is left alone, whoever serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.matrix.client import ask
from tests.matrix.scenarios import APPS, read
from tests.matrix.servers import DURATION, serving
from tests.recorded import counted


@pytest.mark.parametrize(
    ("framework", "module", "server"),
    [
        ("bottle", "bottle_app", "waitress"),
        ("connexion", "connexion_app", "uvicorn"),
        ("falcon", "falcon_asgi", "hypercorn"),
        ("falcon", "falcon_wsgi", "gunicorn"),
        ("pyramid", "pyramid_app", "wsgiref"),
    ],
)
def test_an_application_that_is_switched_off_counts_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, framework: str, module: str, server: str
) -> None:
    """It is answered all the same."""
    monkeypatch.setenv(f"MONAGENT_{framework.upper()}", "off")
    app = read(APPS / f"{module}.py")
    if app.missing:
        pytest.skip(f"needs {', '.join(app.missing)}")
    with serving(app, server, tmp_path) as port:
        assert ask(port, "GET", "/ok").body == b"ok"

    assert counted(tmp_path / "state").total(DURATION) == 0
