"""Servers that reload on edits keep one listener and their totals, and leave nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import sys
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.command import running, until
from tests.e2e.load import drive, gets
from tests.ports import free_port, listening

APP = """
from {library} import {factory}
app = {factory}({argument})
@app.get("/version")
def version():
    return {{"version": {number}}}
"""
FASTAPI = {"library": "fastapi", "factory": "FastAPI", "argument": ""}
FLASK = {"library": "flask", "factory": "Flask", "argument": "__name__"}
AT = ("--host", "127.0.0.1", "--port", "{port}")

ABRUPT = frozenset(("flask",))
"""Servers that end in whatever they do at an edit: the last answer may have gone uncounted."""

SERVERS = {
    "uvicorn": (FASTAPI, ("-m", "uvicorn", "--reload", *AT, "edited:app")),
    "flask": (FLASK, ("-m", "flask", "--app", "edited", "run", "--debug", *AT)),
    "gunicorn": (FLASK, ("-m", "gunicorn", "--reload", "-b", "127.0.0.1:{port}", "edited:app")),
}


def save(file: Path, text: str) -> None:
    """At once, as editors do: half an application is none, and ends gunicorn."""
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(file)


@pytest.mark.parametrize("server", SERVERS)
def test_numbers_go_on_after_every_reload(server: str, tmp_path: Path) -> None:
    """Five edits with three requests after each: one endpoint throughout, 18 requests or more."""
    words, command = SERVERS[server]
    port = free_port()
    file = tmp_path / "edited.py"
    save(file, APP.format(number=0, **words))
    line = [sys.executable, *(part.format(port=port) for part in command)]
    answered = lost = 0

    def version(number: int) -> bool:
        nonlocal answered
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=30) as answer:
                found = json.load(answer)
        except (OSError, http.client.HTTPException):
            return False
        answered += 1
        return bool(found == {"version": number})

    def edited(number: int, again: int) -> bool:
        nonlocal lost
        # Of another size each time: bytecode of the same second counts as fresh otherwise.
        save(file, APP.format(number=number, **words) + "#" * (3 * number + again))
        lost += server in ABRUPT
        with contextlib.suppress(AssertionError):
            until(partial(version, number), f"version {number}", 20)
            return True
        return False

    with running(line, tmp_path, ready=port, cwd=tmp_path) as run:
        for number in range(6):
            # A server that had not begun to look for edits sees the next one only.
            assert any(edited(number, again) for again in range(3)), run.output.read_text()
            answered += drive(port, gets(3, "/version"), 1).answered
            run.settled(answered - lost)
        last = run.scrape().requests
        run.process.send_signal(signal.SIGINT)
        run.process.wait(60)
        until(lambda: not listening(port), "the end of the server")

    # A worker that is stopped by an edit may have served a request whose answer never arrived.
    assert answered - lost <= last <= answered + 6
