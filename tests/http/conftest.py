"""Recording into a shard of the test's own, with the import hooks in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monagent import metrics
from monagent.instrument import hooks
from monagent.integrations import _websocket
from monagent.store.shard import Shard
from tests.http.numbers import Numbers

SERVERS = frozenset(("fastapi", "flask", "granian", "gunicorn", "hypercorn", "starlette"))
SERVERS |= {"a2wsgi", "asgiref", "litestar", "quart", "tornado", "uvicorn", "werkzeug", "wsgiref"}
SERVERS |= {"flask_restful", "flask_restx"}
SERVERS |= {"bottle", "connexion", "falcon", "pyramid", "sanic", "waitress"}
"""What these tests are about; nothing else is hooked."""


@pytest.fixture
def numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Numbers]:
    """What was recorded since the test began, when no server has run yet."""
    monkeypatch.setattr(_websocket, "unclosed", [])
    monkeypatch.setattr(_websocket, "unanswered", [])
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    metrics.use(metrics.Recording(Shard(str(state))))
    hooks.modes.append(lambda library: "on" if library in SERVERS else "off")
    hooks.install()
    yield Numbers(str(state))
    hooks.uninstall()
    hooks.modes.clear()
    metrics.use(metrics.Recording())
