"""The oldest versions that are covered pass the same tests as the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environment import made, older_than_the_interpreter, passes

HERE = Path(__file__).parent
OLDEST = [
    "python-socketio[asyncio_client]==5.8.0",
    "python-engineio==4.4.1",
    "simple-websocket==1.0.0",
    "uvicorn",
    "werkzeug",
    "flask",
]


@pytest.mark.slow
@older_than_the_interpreter
def test_the_oldest_versions_are_recorded_alike(tmp_path: Path) -> None:
    """In an environment of their own, made for the test."""
    python = made(tmp_path, "pytest", *OLDEST)
    files = ["test_socketio.py", "test_simple_websocket.py"]
    # Old releases warn of old interpreters' ways.
    passes(python, "-W", "default", *(str(HERE / file) for file in files))
