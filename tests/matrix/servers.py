"""Every server by its command line, and one run of an application that all scenarios are put to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.command import until
from tests.matrix.client import Answer, ask, talk
from tests.matrix.scenarios import APPS, App, Scenario
from tests.ports import free_port, listening
from tests.recorded import Counted, counted

UVICORN = ("-m", "uvicorn", "--log-level", "critical", "--port", "{port}")
GUNICORN = ("-m", "gunicorn.app.wsgiapp", "--log-level", "critical", "-b", "{at}")
GRANIAN = ("-m", "granian", "--port", "{port}", "--interface")
SERVE = (str(Path(__file__).with_name("serve.py")),)
NAMED = "{module}:{app}"

SERVERS = {
    "uvicorn": (*UVICORN, "--loop", "uvloop", "--http", "httptools", NAMED),
    "uvicorn-h11": (*UVICORN, "--loop", "asyncio", "--http", "h11", NAMED),
    "hypercorn": ("-m", "hypercorn", "-b", "{at}", NAMED),
    "hypercorn-wsgi": ("-m", "hypercorn", "-b", "{at}", NAMED),
    "hypercorn-trio": ("-m", "hypercorn", "-k", "trio", "-b", "{at}", NAMED),
    "granian": (*GRANIAN, "asgi", NAMED),
    "granian-wsgi": (*GRANIAN, "wsgi", NAMED),
    "gunicorn": (*GUNICORN, NAMED),
    "gunicorn-gthread": (*GUNICORN, "-k", "gthread", "--threads", "4", NAMED),
    "gunicorn-gevent": (*GUNICORN, "-k", "gevent", NAMED),
    "gunicorn-eventlet": (*GUNICORN, "-k", "eventlet", NAMED),
    "gunicorn-uvicorn": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", NAMED),
    "gunicorn-asgi": (*GUNICORN, "-k", "asgi", "--asgi-disconnect-grace-period", "0", NAMED),
    "gunicorn-aiohttp": (*GUNICORN, "-k", "aiohttp.GunicornWebWorker", NAMED),
    "daphne": ("-m", "daphne", "-v", "0", "-p", "{port}", NAMED),
    "waitress": ("-m", "waitress", "--listen", "{at}", NAMED),
    "werkzeug": (*SERVE, "werkzeug", "{module}", "{app}", "{port}"),
    "wsgiref": (*SERVE, "wsgiref", "{module}", "{app}", "{port}"),
    "self": ("{module}.py", "{port}"),
}
"""Arguments of the interpreter."""

UNABLE = {"hypercorn-wsgi": {"abort": "reads the body on, however long the client has been gone"}}
"""By server: scenarios that it cannot have, with the reason."""

DURATION = "http.server.request.duration"
SHORT = ("http.request.method", "http.route", "http.response.status_code", "error.type")
OPENED = {
    "sse.events.sent": ("http.route", "event"),
    "sse.connection.duration": ("http.route", "error.type"),
    "websocket.messages": ("http.route", "direction"),
    "websocket.connection.duration": ("http.route", "websocket.close.code", "error.type"),
}
LAST = (
    "http.server.response.body.size",
    "sse.connection.duration",
    "websocket.connection.duration",
)
"""What is recorded last of a request or a connection, behind all else that is known of it."""

ACTIVE = (
    "http.server.active_requests",
    "sse.connections.active",
    "websocket.connections.active",
)
DEADLINE = 30.0


@dataclass(frozen=True)
class Recorded:
    """What one scenario has added to the numbers.

    Attributes:
        requests: counts by "METHOD route status error"; `seconds` are theirs together.
        active: how many more requests are in work, and connections open, than before.
        ended: requests and connections of which everything has been recorded.
        opened: of connections that stay open: events, messages, ends, by route and what it was.
    """

    requests: dict[str, float]
    seconds: float
    received: float
    sent: float
    active: float
    ended: float
    opened: dict[str, float]


@dataclass(frozen=True)
class Run:
    """All scenarios put to one application under one server.

    Attributes:
        seen: what the client saw and what was recorded, by scenario.
        total: everything that was recorded, read when the server had ended.
        output: what the processes wrote.
    """

    seen: dict[str, tuple[Answer, Recorded]]
    total: Recorded
    output: str


def scenarios(app: App, server: str) -> list[str]:
    """What can be put to an application under a server."""
    return [name for name in app.scenarios() if name not in UNABLE.get(server, {})]


def run(app: App, server: str, folder: Path, python: str = sys.executable) -> Run:
    """Starts the server under monagent, puts every scenario to it, and ends it."""
    state = folder / "state"
    seen: dict[str, tuple[Answer, Recorded]] = {}
    nothing = Counted({})
    with serving(app, server, folder, python) as port:
        before = nothing
        for name in scenarios(app, server):
            asked = app.scenario(name)
            answer = put(port, asked)
            before, recorded = _after(before, state)
            seen[name] = answer, recorded
    total = _difference(nothing, counted(state))
    return Run(seen, total, (folder / "output").read_text(errors="replace"))


def put(port: int, asked: Scenario) -> Answer:
    """Puts one scenario to a server."""
    if asked.status == 101:
        return talk(port, asked.path, asked.patience)
    return ask(port, asked.method, asked.path, asked.upload, asked.leaves, asked.patience)


@contextlib.contextmanager
def serving(app: App, server: str, folder: Path, python: str = sys.executable) -> Iterator[int]:
    """The application under a server, under monagent; gives its port."""
    port = free_port()
    names = {"port": port, "at": f"127.0.0.1:{port}", "module": app.module, "app": app.attribute}
    arguments = [part.format_map(names) for part in SERVERS[server]]
    output = folder / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [python, "-m", "monagent", "run", "--", python, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=APPS,
            env={
                **os.environ,
                "MONAGENT_DIR": str(folder / "state"),
                "MONAGENT_EXPORTER": "off",
                "PYTHONUNBUFFERED": "1",
            },
            start_new_session=True,
        )
    try:
        until(lambda: listening(port) or process.poll() is not None, f"{server} on port {port}")
        assert process.poll() is None, output.read_text(errors="replace")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _after(before: Counted, state: Path) -> tuple[Counted, Recorded]:
    """What was added, as soon as a request has ended: a server may answer before it counts."""
    end = time.monotonic() + DEADLINE
    while True:
        now = counted(state)
        recorded = _difference(before, now)
        if (recorded.ended and not recorded.active) or time.monotonic() > end:
            # Once more: a reader that comes while series are made may know of some only.
            now = counted(state)
            return now, _difference(before, now)
        time.sleep(0.005)


def _difference(before: Counted, now: Counted) -> Recorded:
    requests: dict[str, float] = {}
    opened: dict[str, float] = {}
    for (name, labels), value in now.series.items():
        added = value - before.series.get((name, labels), 0.0)
        if name == DURATION and added:
            facts = dict(labels)
            requests[" ".join(str(facts[fact]) for fact in SHORT if fact in facts)] = added
        elif name in OPENED and added:
            facts = dict(labels)
            opened[" ".join(str(facts[fact]) for fact in OPENED[name] if fact in facts)] = added

    def added_to(name: str) -> float:
        return now.total(name) - before.total(name)

    return Recorded(
        requests,
        added_to(f"{DURATION}.sum"),
        added_to("http.server.request.body.size.sum"),
        added_to("http.server.response.body.size.sum"),
        sum(added_to(name) for name in ACTIVE),
        sum(added_to(name) for name in LAST),
        opened,
    )
