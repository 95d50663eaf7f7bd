"""Django's development server and daphne: one count, WebSockets by route, reloads, clients gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.django.conftest import PROJECT
from tests.e2e.command import Running, Scrape, running, until
from tests.ports import free_port

pytest.importorskip("channels")

ROUTES = "http_server_request_duration_seconds_count"
SOCKETS = "websocket_connection_duration_seconds_count"


@contextlib.contextmanager
def serving(
    command: tuple[str, ...], tmp_path: Path, project: Path = PROJECT, **environ: str
) -> Iterator[tuple[int, Running]]:
    """The project by a command whose `{port}` is a free one; gives port and process."""
    port = free_port()
    parts = tuple(part.format(port=port) for part in command)
    with running(
        (sys.executable, *parts), tmp_path, ready=port, environ=environ, cwd=project
    ) as run:
        yield port, run


def get(port: int, path: str) -> int:
    """Status of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            answer.read()
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def by_route(scrape: Scrape) -> dict[str, float]:
    """Requests by "route status error"."""
    return {
        " ".join(facts[name] for name in FACTS if name in facts): count
        for labels, count in scrape.samples.get(ROUTES, {}).items()
        if (facts := dict(labels)) and count
    }


FACTS = ("http_route", "http_response_status_code", "error_type")
DAPHNE = ("-m", "daphne", "-v", "0", "-p", "{port}", "shop.asgi:application")
RUNSERVER = ("manage.py", "runserver", "127.0.0.1:{port}", "--noreload")


@pytest.mark.parametrize("apps", ["", "daphne"], ids=["wsgiref", "daphne"])
def test_the_development_server_counts_once(tmp_path: Path, apps: str) -> None:
    """Also where daphne takes its place, and with files that only it serves."""
    with serving(RUNSERVER, tmp_path, SHOP_APPS=apps, SHOP_DEBUG="1") as (port, run):
        paths = ("/items/7/", "/fails/value", "/static/x.txt", "/none", "/stream/whole")
        answers = [get(port, path) for path in paths]
        scrape = run.settled(len(paths))

    assert answers == [200, 500, 200, 404, 200]
    assert by_route(scrape) == {
        "/items/<int:pk>/ 200": 1,
        "/fails/<kind> 500 ValueError": 1,
        "/static/<path> 200": 1,
        "unmatched 404": 1,
        "/stream/<kind> 200": 1,
    }
    assert scrape.total("http_server_active_requests") == 0


def test_the_reloader_leaves_one_listener_and_all_numbers(tmp_path: Path) -> None:
    """A request before an edit, and one after it."""
    command = ("manage.py", "runserver", "127.0.0.1:{port}")
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    with serving(command, tmp_path, project, SHOP_DEBUG="1") as (port, run):
        assert get(port, "/items/7/") == 200
        run.settled(1)
        before = run.children()
        edited = project / "shop" / "views.py"

        def reloads() -> bool:  # It begins to look for edits at some time.
            edited.touch()
            return not {*before} & {*run.children()}

        until(reloads, "a reload")

        def answers() -> bool:
            try:
                return get(port, "/items/8/") == 200
            except (OSError, HTTPException):
                return False

        until(answers, "the server after the edit")
        assert by_route(run.settled(2)) == {"/items/<int:pk>/ 200": 2}


def test_settings_are_imported_by_the_application_alone(tmp_path: Path) -> None:
    """As often, and by the same processes, as without; commands end as they did."""
    runs = []
    for prefix in ((), ("-m", "monagent", "run", "--port", "0", "--", sys.executable)):
        imports = tmp_path / f"imports{len(prefix)}"
        imports.touch()
        commands = ("check", "version", "nonsense")
        ended = [_ended((*prefix, "manage.py", command), imports) for command in commands]
        runs.append((ended, len(imports.read_text().splitlines())))

    assert runs[0] == runs[1]
    assert runs[0][1] == 3


def _ended(command: tuple[str, ...], imports: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env={**os.environ, "SHOP_IMPORTS": str(imports), "MONAGENT_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_daphne_counts_requests_and_connections_once(tmp_path: Path) -> None:
    """Requests by Django's pattern or by Channels'; connections by all routers on the way."""
    with serving(DAPHNE, tmp_path) as (port, run):
        assert [get(port, path) for path in ("/items/7/", "/slow/1", "/none")] == [200, 200, 404]
        talked = asyncio.run(_talk(f"ws://127.0.0.1:{port}"))
        until(lambda: run.scrape().total(SOCKETS) >= 2, "all connections ended")
        scrape = run.settled(5)

    assert talked == [["hi", "hi", "bye", "bye"], ["hi"], 403, 500]
    assert by_route(scrape) == {
        "/items/<int:pk>/ 200": 1,
        "/slow/<int:n> 200": 1,
        "unmatched 404": 1,
        "/refused 403": 1,
        "unmatched 500 ValueError": 1,
    }
    assert closed_with(scrape) == {"/chat/<slug:room>/ 4002": 1, "/chat/other/<var> 1000": 1}
    assert scrape.total("websocket_messages_total", direction="received") == 3
    assert scrape.total("websocket_messages_total", direction="sent") == 5
    assert scrape.total("websocket_connections_active") == 0


def closed_with(scrape: Scrape) -> dict[str, float]:
    """Connections by "route code"."""
    return {
        f"{facts['http_route']} {facts['websocket_close_code']}": count
        for labels, count in scrape.samples.get(SOCKETS, {}).items()
        if (facts := dict(labels)) and count
    }


async def _talk(base: str) -> list[Any]:
    got: list[Any] = []
    async with connect(f"{base}/chat/blue/") as room:
        await room.send("hi")
        await room.send("bye")
        got.append([await room.recv() for _ in range(4)])
        await room.wait_closed()
    async with connect(f"{base}/chat/other/7") as old:
        await old.send("hi")
        got.append([await old.recv()])
    for path in ("/refused", "/nowhere"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(base + path):
                pass
        got.append(refused.value.response.status_code)
    return got


def test_a_client_of_daphne_that_leaves_is_told_apart(tmp_path: Path) -> None:
    """Although the consumer answers as if nobody had."""
    gate = tmp_path / "gate"
    with serving(DAPHNE, tmp_path, SHOP_GATE=str(gate)) as (port, run):
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(b"GET /slow/4 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            until(lambda: run.scrape().total("http_server_active_requests") == 1, "the request")
        gate.touch()
        scrape = run.settled(1)

    assert by_route(scrape) == {"/slow/<int:n> 499 client_disconnected": 1}
    assert scrape.total("http_server_active_requests") == 0
